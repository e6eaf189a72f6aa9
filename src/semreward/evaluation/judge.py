"""A pairwise judge: which of two systems does a chat model prefer, asked about every source in both orders."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from semreward.arguments import check_count, is_column
from semreward.batch import check_column
from semreward.errors import ArgumentError, ArgumentTypeError, SemRewardError
from semreward.evaluation.answers import AnswerFile, answerer_name, key_of
from semreward.evaluation.prompts import JudgePrompt
from semreward.evaluation.score import evaluated_answers, signature_of
from semreward.evaluation.verdicts import PairwiseScores, judged_pair, scores_of
from semreward.protocols import Completion
from semreward.text import DEFAULT_ANSWER, Answer

logger = logging.getLogger(__name__)


Judge: TypeAlias = Callable[[str], str]
"""Whoever answers prompts: `ChatServer`, or your own function. Several threads call it. Its `signature`, if it is a
string, names it in signatures and in the cache."""


class JudgingInterruptedError(SemRewardError, RuntimeError):
    """A judge failed before everything was judged; `scores` holds the pairs with both answers, `None` without any."""

    scores: PairwiseScores | None = None


@dataclass(frozen=True)
class JudgingEstimate:
    """What judging will take."""

    requests: int  # that will be sent
    answered: int  # requests whose answers are in the cache
    identical: int  # pairs of equal candidates, about which nobody is asked
    characters: int  # of all prompts that will be sent
    input_tokens: int  # without chat templates; their UTF-8 bytes, an upper bound, without `count_tokens`
    output_tokens: int  # `answer_tokens` per request
    counted: bool  # whether `input_tokens` were counted
    cost: float | None  # in the currency of the prices; None without prices

    def __str__(self) -> str:
        bound = "" if self.counted else "at most "
        cost = "" if self.cost is None else f"; cost {bound}{self.cost:.2f}"
        return (
            f"{self.requests:,} requests ({self.answered:,} answered already, {self.identical:,} pairs of equal "
            f"candidates): {self.characters:,} characters, {bound}{self.input_tokens:,} tokens in, about "
            f"{self.output_tokens:,} tokens out{cost}"
        )


_Rows: TypeAlias = list[list[tuple[str, str]]]
"""Key and prompt of both orders for each row; none for equal candidates."""


def pairwise_scores(
    judge: Judge,
    sources: Sequence[str],
    first: Sequence[Completion],
    second: Sequence[Completion],
    *,
    prompt: JudgePrompt,
    cache: str | os.PathLike[str] | None = None,
    judge_name: str | None = None,
    names: tuple[str, str] = ("first", "second"),
    concurrency: int = 8,
    resamples: int = 10_000,
    seed: int = 0,
    answer: Answer = DEFAULT_ANSWER,
) -> PairwiseScores:
    """How often a judge prefers the first system's completions to the second's.

    The judge sees the source and two candidates without their names, once in each order. A system wins a pair if the
    judge decides for it in both orders; other pairs with two decisions are ties. Equal candidates tie unasked. Every
    answer is kept as it comes: the same call after an interruption, or one with more rows, asks only for the rest.

    Args:
        judge: Answers prompts. Its errors end the call: `ChatServer` makes its own retries.
        sources: `N` non-blank texts, such as what was translated; `N` at least 1.
        first: `N` completions of the first system, texts or lists of messages; empty ones are judged, too.
        second: `N` completions of the second system.
        prompt: `translation_prompt()`, `headline_prompt()`, or your own.
        cache: JSON lines file that keeps the answers; created if missing. `None`: they are kept during the call.
        judge_name: Name of a judge without a `signature`.
        names: Names of the two systems in the table.
        concurrency: Requests at the same time.
        resamples: Bootstrap samples for the intervals.
        seed: Seed of these samples, at least 0.
        answer: How the answer is found in a completion.

    Raises:
        JudgingInterruptedError: The judge raised an error, which is the cause. Answers so far are in the cache.
        ArgumentError: There are no rows, lengths differ, a source is blank, a number is out of its range, or a judge
            with a cache has neither `signature` nor `judge_name`.
        ArgumentTypeError: A row, the judge, `prompt` or `names` has the wrong type.

    Source:
        Su et al. 2026, appendix B, https://arxiv.org/abs/2605.14366, which does not say whether both orders were asked.
        Wins in both orders: Zheng et al. 2023, section 3.4, https://arxiv.org/abs/2306.05685

    Example:
        >>> from semreward.evaluation import translation_prompt
        >>> always_the_one_shown_first = lambda prompt: "[[1]]"
        >>> pairwise_scores(always_the_one_shown_first, ["ཀ"], ["我"], ["我们"], prompt=translation_prompt()).ties
        1
    """
    check_count("concurrency", concurrency)
    check_count("resamples", resamples)
    check_count("seed", seed, at_least=0)
    if not is_column(names) or [isinstance(name, str) for name in names] != [True, True]:
        raise ArgumentTypeError(f"`names` must be two strings, one per system, got {names!r}")
    name = answerer_name(judge, judge_name, argument="judge", keeps=cache is not None)
    candidates = _answers("first", first, answer), _answers("second", second, answer)
    rows = _rows(name, prompt, sources, *candidates)
    answers = AnswerFile(cache)
    answers.prepare()
    signature = signature_of(
        "pairwise", judge=name, prompt=prompt.signature, orders="both", bootstrap=resamples, seed=seed
    )

    def scores(done: _Rows) -> PairwiseScores:
        pairs = [judged_pair(*(answers[key] for key, _ in row)) for row in done]
        return scores_of(pairs, names, resamples=resamples, seed=seed, signature=signature)

    todo = _missing(rows, answers)
    logger.info("judging %d pairs: %d requests are to be sent", len(rows), len(todo))
    try:
        _ask_all(judge, todo, answers, concurrency)
    except Exception as error:
        kept = "nothing is kept, because there is no `cache`"
        if answers.path is not None:
            kept = f"the answers are kept in {os.fspath(answers.path)!r}: the same call goes on from there"
        answered = len(todo) - len(_missing(rows, answers))
        interrupted = JudgingInterruptedError(
            f"judging stopped after {answered} of {len(todo)} answers, because {type(error).__name__}: {error}; {kept}"
        )
        done = [row for row in rows if not _missing([row], answers)]
        interrupted.scores = scores(done) if done else None
        raise interrupted from error
    return scores(rows)


def judging_estimate(
    judge: Judge,
    sources: Sequence[str],
    first: Sequence[Completion],
    second: Sequence[Completion],
    *,
    prompt: JudgePrompt,
    cache: str | os.PathLike[str] | None = None,
    judge_name: str | None = None,
    count_tokens: Callable[[str], int] | None = None,
    answer_tokens: int = 150,
    input_price: float | None = None,
    output_price: float | None = None,
    answer: Answer = DEFAULT_ANSWER,
) -> JudgingEstimate:
    """What `pairwise_scores` with the same arguments would send, and what that would cost. Nothing is sent.

    `count_tokens` counts the tokens of a text, such as `lambda text: len(tokenizer.encode(text))`. `answer_tokens` is
    the expected length of an answer, reasoning included. Prices are per million tokens. Other arguments are those of
    `pairwise_scores`.

    Raises:
        ArgumentError: As for `pairwise_scores`, or only one price is given.

    Example:
        >>> from semreward.evaluation import translation_prompt
        >>> judging_estimate(lambda prompt: "", ["ཀ"], ["我"], ["你"], prompt=translation_prompt()).requests
        2
    """
    if (input_price is None) != (output_price is None):
        raise ArgumentError("`input_price` and `output_price` must be given together, got one; give 0 for what is free")
    name = answerer_name(judge, judge_name, argument="judge", keeps=cache is not None)
    candidates = _answers("first", first, answer), _answers("second", second, answer)
    rows = _rows(name, prompt, sources, *candidates)
    todo = _missing(rows, AnswerFile(cache)).values()
    count = count_tokens or (lambda text: len(text.encode("utf-8", errors="surrogatepass")))
    input_tokens, output_tokens = sum(map(count, todo)), answer_tokens * len(todo)
    cost = None
    if input_price is not None and output_price is not None:
        cost = (input_tokens * input_price + output_tokens * output_price) / 1_000_000
    return JudgingEstimate(
        requests=len(todo),
        answered=len(_missing(rows, AnswerFile(None))) - len(todo),
        identical=sum(not row for row in rows),
        characters=sum(map(len, todo)),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        counted=count_tokens is not None,
        cost=cost,
    )


def _rows(judge: str, prompt: JudgePrompt, sources: Sequence[str], ones: list[str], others: list[str]) -> _Rows:
    if not isinstance(prompt, JudgePrompt):
        raise ArgumentTypeError(
            f"`prompt` must be a JudgePrompt, got {type(prompt).__name__}; give translation_prompt(), "
            "headline_prompt() or JudgePrompt(name, template)"
        )
    check_column("second", others, len(ones))
    check_column("sources", sources, len(ones))
    rows = []
    for row, (source, one, other) in enumerate(zip(sources, ones, others, strict=True)):
        if not isinstance(source, str):
            raise ArgumentTypeError(
                f"`sources` must be strings, got {type(source).__name__} at row {row}; drop the row"
            )
        if not source.strip():
            raise ArgumentError(f"`sources` must not be blank, got {source!r} at row {row}; drop the row")
        prompts = [] if one == other else [prompt.text(source, one, other), prompt.text(source, other, one)]
        rows.append([(key_of(judge, text), text) for text in prompts])
    return rows


def _missing(rows: _Rows, answers: AnswerFile) -> dict[str, str]:
    """Prompts without an answer by key."""
    return {key: text for row in rows for key, text in row if key not in answers}


def _ask_all(judge: Judge, prompts: dict[str, str], answers: AnswerFile, concurrency: int) -> None:
    """Ask, a few at a time; after the first failure wait for those under way, and send no more."""
    from tqdm.contrib.concurrent import thread_map

    stopped = threading.Event()

    def ask(key: str) -> None:
        if stopped.is_set():
            return
        try:
            answers.add(key, _answer(judge, prompts[key]))
        except BaseException:
            stopped.set()
            raise

    thread_map(ask, list(prompts), max_workers=concurrency, desc="judging", unit="request", disable=None)


def _answer(judge: Judge, prompt: str) -> str:
    answer: object = judge(prompt)
    if not isinstance(answer, str):
        raise ArgumentTypeError(f"`judge` must return a text, got {type(answer).__name__}")
    return answer


def _answers(name: str, completions: Sequence[Completion], answer: Answer) -> list[str]:
    """The answers in a list of completions; errors name the list."""
    try:
        return evaluated_answers(completions, answer)
    except (ArgumentError, ArgumentTypeError) as error:
        raise type(error)(str(error).replace("`completions`", f"`{name}`")) from None
