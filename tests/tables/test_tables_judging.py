"""The parser as a judge: what it decides, and that it answers as a chat model does."""

import random

import pytest

from miniature.grammar import Fact, Meaning, realise
from miniature.headlines import main_fact, sample_article
from semreward.errors import ArgumentError
from semreward.evaluation import ChatServer, pairwise_scores, verdict_of
from tables.judging import ParserJudge, judge_of, prompt_of
from tibetan.arguments import DataArguments

TRANSLATION = DataArguments(source_column="zh", target_column="bo", target_language="bo")
HEADLINE = DataArguments(task="headline", source_column="article_bo", target_column="headline_bo", target_language="bo")
MEANING = Meaning("teacher", "three", "red", "apple", "buy", "market", "morning")
RNG = random.Random(3)
SOURCE = realise(MEANING, "zh", RNG)
RIGHT = realise(MEANING, "bo", RNG)
ONE_WRONG = realise(MEANING._replace(colour="blue"), "bo", RNG)
FOUR_WRONG = realise(MEANING._replace(colour="blue", object="hat", verb="sell", time="night"), "bo", RNG)


def decided(first: str, second: str, *, source: str = SOURCE, data: DataArguments = TRANSLATION) -> int | None:
    return verdict_of(ParserJudge(data)(prompt_of(data).format(source=source, candidate_1=first, candidate_2=second)))


def test_right_meaning_wins_in_either_place() -> None:
    assert (decided(RIGHT, ONE_WRONG), decided(ONE_WRONG, RIGHT)) == (1, 2)


def test_two_right_wordings_tie() -> None:
    assert decided(RIGHT, realise(MEANING, "bo", random.Random(8))) == 0


def test_one_word_more_is_not_significant_and_three_are() -> None:
    none_right = realise(MEANING._replace(colour="green", number="two"), "bo", RNG)
    assert (decided(ONE_WRONG, none_right), decided(ONE_WRONG, FOUR_WRONG)) == (0, 1)


def test_other_direction_is_judged_too() -> None:
    data = DataArguments(source_column="bo", target_column="zh", target_language="zh")
    wrong = realise(MEANING._replace(verb="sell"), "zh", RNG)
    assert decided(wrong, SOURCE, source=RIGHT, data=data) == 2
    assert "two translations of it into Chinese" in prompt_of(data)


def test_wrong_language_loses() -> None:
    assert decided(SOURCE, ONE_WRONG) == 2


def test_headline_is_judged_by_the_lead() -> None:
    article = sample_article(random.Random(1))
    source = "".join(realise(meaning, "bo", RNG) for meaning in article)
    right, other = (realise(main_fact(article[start:]), "bo", RNG) for start in (0, 1))
    assert decided(other, right, source=source, data=HEADLINE) == 2


def test_whole_lead_is_no_headline() -> None:
    fact = Fact("teacher", "market", "apple", "buy")
    source = RIGHT * 2
    assert decided(realise(fact, "bo", RNG), RIGHT, source=source, data=HEADLINE) == 1


@pytest.mark.parametrize("data", [TRANSLATION, HEADLINE])
def test_source_that_is_not_of_the_grammar_is_refused(data: DataArguments) -> None:
    with pytest.raises(ArgumentError, match="the source must be of the grammar"):
        decided(RIGHT, RIGHT + RIGHT, source="你好", data=data)


def test_prompt_without_candidates_is_refused() -> None:
    with pytest.raises(ArgumentError, match="must show a source and two candidates"):
        ParserJudge(TRANSLATION)("Which is better?")


def test_parser_takes_the_judges_place() -> None:
    first, second = [RIGHT, ONE_WRONG, RIGHT], [ONE_WRONG, RIGHT, RIGHT]
    scores = pairwise_scores(
        judge_of("parser", TRANSLATION), [SOURCE] * 3, first, second, prompt=prompt_of(TRANSLATION)
    )
    assert (scores.wins, scores.losses, scores.ties, scores.inconsistent, scores.unparsable) == (1, 1, 1, 0, 0)
    assert "judge:grammar-parser" in scores.signature


def test_endpoint_is_taken_as_it_is() -> None:
    asked = {"base_url": "http://127.0.0.1:1/v1", "model": "a-model"}
    assert judge_of(asked, TRANSLATION) == ChatServer("http://127.0.0.1:1/v1", "a-model")


def test_other_judges_are_refused() -> None:
    with pytest.raises(ArgumentError, match="`judge` must be 'parser' or arguments of ChatServer"):
        judge_of("oracle", TRANSLATION)


def test_prompts_name_the_languages() -> None:
    assert "a text in Chinese and two translations of it into Tibetan" in prompt_of(TRANSLATION)
    assert "a news article in Tibetan" in prompt_of(HEADLINE)
    unknown = DataArguments(source_column="xx-unknown", target_column="bo", target_language="bo")
    assert "a text in xx-unknown and" in prompt_of(unknown)
