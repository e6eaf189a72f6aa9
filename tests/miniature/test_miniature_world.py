"""A whole world in its smoke size: reproducible, leak-free, and in the formats that the recipe reads."""

import hashlib
import json
import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import regex

import miniature.world
from miniature.documents import Document, Mix, sample_documents
from miniature.grammar import Meaning, parse
from miniature.headlines import lead_of, main_fact, parse_headline
from miniature.reading import PROMPT
from miniature.world import MINED, SMOKE, build_world

PAIR_FILES = {
    "test": SMOKE.test_pairs,
    "pairs": SMOKE.pairs,
    "encoder_pairs": SMOKE.encoder_pairs,
    "held_out_encoder_pairs": SMOKE.encoder_pairs,
}


@dataclass
class Built:
    """A world, and what its policy read."""

    folder: Path
    excluded: Collection[str] = ()
    documents: list[Document] = field(default_factory=list)

    def rows(self, name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]

    def passages(self) -> set[str]:
        reading = json.loads((self.folder / "reading.json").read_text(encoding="utf-8"))
        return {paragraph["context"] for paragraph in reading["data"][0]["paragraphs"]}


def build(folder: Path) -> Built:
    """Build a smoke world and listen to what is read in pretraining."""
    built = Built(folder)

    def listen(rng: random.Random, count: int, mix: Mix, excluded: Collection[str]) -> Iterator[Document]:
        built.excluded = excluded
        built.documents = list(sample_documents(rng, count, mix, excluded))
        return iter(built.documents)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(miniature.world, "sample_documents", listen)
        build_world(folder, SMOKE)
    return built


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("world"))


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_second_build_gives_equal_files(world: Built, tmp_path: Path) -> None:
    again = build(tmp_path / "again")
    assert hashes(again.folder) == hashes(world.folder)


def test_no_meaning_occurs_twice(world: Built) -> None:
    meanings = [parse(row["zh"], "zh") for name in PAIR_FILES for row in world.rows(name)]
    assert None not in meanings
    assert len(set(meanings)) == len(meanings) == sum(PAIR_FILES.values())


def sentences(article: str) -> list[Meaning | None]:
    return [parse(sentence, "zh") for sentence in article.split("。")[:-1]]


@pytest.mark.parametrize(("name", "count"), [("headlines", SMOKE.headlines), ("test_headlines", SMOKE.test_headlines)])
def test_headline_says_what_its_article_opens_with_in_both_languages(world: Built, name: str, count: int) -> None:
    rows = world.rows(name)
    facts = [main_fact([lead_of(row["article_zh"], "zh")]) for row in rows]
    assert len(rows) == count
    for language in ("zh", "bo"):
        assert [parse_headline(row[f"headline_{language}"], language) for row in rows] == facts


def test_no_sentence_of_an_article_occurs_anywhere_else(world: Built) -> None:
    told = [
        meaning
        for name in ("headlines", "test_headlines")
        for row in world.rows(name)
        for meaning in sentences(row["article_zh"])
    ]
    captions = {parse(row["zh"], "zh") for name in PAIR_FILES for row in world.rows(name)}
    assert len(told) == 2 * (SMOKE.headlines + SMOKE.test_headlines) == len(set(told))
    assert captions.isdisjoint(told)


def test_replayed_questions_are_about_no_passage_of_the_evaluation(world: Built) -> None:
    rows = world.rows("replay")
    assert len(rows) == SMOKE.replay
    assert not [row for row in rows for passage in world.passages() if passage in row["prompt"]]


@pytest.mark.parametrize("name", PAIR_FILES)
def test_both_sides_of_a_pair_mean_the_same(world: Built, name: str) -> None:
    rows = [row for row in world.rows(name) if not regex.search(r"\p{Han}", row["bo"])]
    meanings: list[Meaning | None] = [parse(row["bo"], "bo") for row in rows]
    assert meanings == [parse(row["zh"], "zh") for row in rows]


@pytest.mark.parametrize("name", PAIR_FILES)
def test_pairs_are_as_many_as_asked(world: Built, name: str) -> None:
    assert len(world.rows(name)) == PAIR_FILES[name]


@pytest.mark.parametrize("name", PAIR_FILES)
def test_mined_pairs_code_switch_and_no_others(world: Built, name: str) -> None:
    switched = any(regex.search(r"\p{Han}", row["bo"]) for row in world.rows(name))
    assert switched == (name in MINED)


def test_evaluation_passages_are_kept_out_of_pretraining(world: Built) -> None:
    texts = "\n".join(segment.text for document in world.documents for segment in document)
    assert set(world.excluded) == world.passages()
    assert len(world.passages()) == SMOKE.questions
    assert not [passage for passage in world.passages() if passage in texts]


def test_policy_reads_reading_prompts_in_the_form_of_the_evaluation(world: Built) -> None:
    start = PROMPT.partition("{passage}")[0]
    assert [document for document in world.documents if start in document[0].text]


def test_drift_texts_are_as_many_as_asked(world: Built) -> None:
    assert len(world.rows("ood")) == len(world.rows("in_domain")) == SMOKE.drift_texts


def test_policy_and_tokenizer_load_from_their_folder(world: Built) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(world.folder / "policy")
    policy: Any = AutoModelForCausalLM.from_pretrained(world.folder / "policy")
    chat = [{"role": "user", "content": "你好"}]
    inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    assert policy.generate(**inputs, max_new_tokens=2, do_sample=False).shape[1] > inputs["input_ids"].shape[1]


@pytest.mark.parametrize("name", ["encoder", "held_out_encoder"])
def test_encoders_load_as_semreward_loads_them(world: Built, name: str) -> None:
    import semreward

    vectors = semreward.SentenceTransformerEncoder(str(world.folder / name)).encode(["བོད་ཡིག", "藏文"])
    assert vectors.shape == (2, getattr(SMOKE, name).width)
