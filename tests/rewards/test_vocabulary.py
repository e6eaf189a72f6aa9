import gzip
import json
import pickle
from pathlib import Path

import pytest

from semreward import CompositeReward, ForeignWordGuard, LanguageConsistencyReward
from semreward.errors import ArgumentError, ArgumentTypeError, MissingColumnError
from semreward.rewards.vocabulary import words
from semreward.testing import check_reward

# As long as each other. Only the English text has `food` and `bowl`; both have `hand` and `emma`.
ENGLISH = "A bowl of food in a hand. " * 5 + "Emma paints. Emma sits."
GERMAN = "Eine Schale mit Essen in der Hand. " * 5 + "Emma malt. Emma sitzt. Kurz."
TEXTS = {"en": ENGLISH, "de": GERMAN}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for language, text in TEXTS.items():
        (tmp_path / f"train.{language}").write_text(text.replace(". ", ".\n"), encoding="utf-8")
    return tmp_path


def guard_of(folder: Path, **options: object) -> ForeignWordGuard:
    return ForeignWordGuard(
        **{"target": folder / "train.de", "source": folder / "train.en", "reference_column": None, **options}
    )


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Emma malt eine Schale.", 1.0),
        ("Emma malt eine Bowl.", 0.0),
        ("EMMA MALT EINE BOWL", 0.0),
        ("Emma hat 3 Brotdosen.", 1.0),  # known to neither text
        ("Emma malt in der Hand.", 1.0),  # known to both alike
        ("Emma paints.", 1.0),  # the English text has it once
        ("Schale-mit-Food", 0.0),  # a hyphen parts words
        ("A Schale.", 1.0),  # a single letter
        ("3 + 4 = 7", 1.0),  # no words
    ],
)
def test_words_of_the_source_language_fail(folder: Path, answer: str, expected: float) -> None:
    assert guard_of(folder)(completions=[answer]) == [expected]


@pytest.mark.parametrize(("times", "expected"), [(19, 1.0), (20, 0.0)])
def test_word_of_both_texts_is_foreign_from_twenty_times_as_often(tmp_path: Path, times: int, expected: float) -> None:
    (tmp_path / "train.de").write_text("food " + "brot " * 99)
    (tmp_path / "train.en").write_text("food " * times + "bread " * (100 - times))
    assert guard_of(tmp_path)(completions=["Food"]) == [expected]


def test_texts_of_different_lengths_are_compared_by_rate(tmp_path: Path) -> None:
    (tmp_path / "train.de").write_text("food " + "brot " * 999)
    (tmp_path / "train.en").write_text("food " * 2 + "bread " * 98)
    assert guard_of(tmp_path)(completions=["Food"]) == [0.0]  # 2 of 100 words, 1 of 1000


@pytest.mark.parametrize(("limit", "expected"), [(0.25, 1.0), (0.24, 0.0)])
def test_foreign_words_up_to_the_limit_pass(folder: Path, limit: float, expected: float) -> None:
    assert guard_of(folder, limit=limit)(completions=["Eine Bowl mit Essen."]) == [expected]


def test_words_of_a_reference_are_allowed(folder: Path) -> None:
    guard = guard_of(folder, reference_column="reference")
    references = [["Eine Schale.", "Die Bowl."], "Eine Schale."]
    assert guard(completions=["Eine Bowl."] * 2, reference=references) == [1.0, 0.0]


def test_words_composed_and_decomposed_are_one(tmp_path: Path) -> None:
    (tmp_path / "train.de").write_text("Ein Kaffee.")
    (tmp_path / "train.en").write_text("Un café, un caf\u00e9.", encoding="utf-8")
    assert guard_of(tmp_path)(completions=["Ein cafe\u0301."]) == [0.0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("L’homme à 3 T-shirts", ["l", "homme", "à", "t", "shirts"]),
        ("བོད་ཡིག །", ["བོད", "ཡིག"]),
        ("红苹果，好", ["红苹", "苹果"]),
        ("3个abc苹果", ["abc", "苹果"]),
        ("ก่า", ["ก่า"]),  # a mark goes with its letter
        ("", []),
    ],
)
def test_word_is_a_run_of_letters_or_a_pair_of_characters(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_chinese_words_in_japanese_fail(tmp_path: Path) -> None:
    (tmp_path / "train.de").write_text("私たちは大学で勉強します。", encoding="utf-8")
    (tmp_path / "train.en").write_text("我们在大学学习。我们学习。", encoding="utf-8")
    guard = guard_of(tmp_path)
    assert guard(completions=["私たちは大学に行く。", "我们は大学に行く。"]) == [1.0, 0.0]


def write_pairs(folder: Path, form: str) -> dict[str, object]:
    rows = list(zip(TEXTS["en"].split(". "), TEXTS["de"].split(". "), strict=False))
    if form == "aligned":
        return {"data": folder / "train.{column}", "target": "de", "source": "en"}
    if form == "gzipped":
        for language, text in TEXTS.items():
            (folder / f"train.{language}.gz").write_bytes(gzip.compress(text.encode()))
        return {"target": folder / "train.de.gz", "source": folder / "train.en.gz"}
    path = folder / form
    columns = {"target": "de", "source": "en"}
    if form == "named.tsv":
        path.write_text("en\tde\n" + "".join(f"{en}\t{de}\n" for en, de in rows), encoding="utf-8")
    elif form == "numbered.tsv":
        path.write_text("".join(f"{en}\t{de}\n" for en, de in rows), encoding="utf-8")
        columns = {"target": 1, "source": 0}
    else:
        path.write_text("".join(json.dumps({"en": en, "de": de}) + "\n" for en, de in rows), encoding="utf-8")
    return {"data": path, **columns}


@pytest.mark.parametrize("form", ["aligned", "gzipped", "named.tsv", "numbered.tsv", "pairs.jsonl"])
def test_texts_come_from_two_files_or_two_columns(folder: Path, form: str) -> None:
    guard = guard_of(folder, **write_pairs(folder, form))
    assert guard(completions=["Eine Schale.", "Eine Bowl."]) == [1.0, 0.0]


@pytest.mark.parametrize("argument", ["target", "source"])
def test_missing_file_is_named_at_construction(folder: Path, argument: str) -> None:
    with pytest.raises(ArgumentError, match=rf"`{argument}` must be in a file, but '.*nowhere' is not one"):
        guard_of(folder, **{argument: folder / "nowhere"})


def test_missing_data_file_is_named_at_construction(folder: Path) -> None:
    with pytest.raises(ArgumentError, match="'nowhere.tsv' is not one; correct it or `data`"):
        guard_of(folder, data="nowhere.tsv")


def test_missing_column_is_named(folder: Path) -> None:
    options = {**write_pairs(folder, "named.tsv"), "target": "fr"}
    with pytest.raises(MissingColumnError, match=r"named\.tsv must have a column `fr`"):
        guard_of(folder, **options)(completions=["Eine Schale."])


@pytest.mark.parametrize("form", ["pairs.jsonl", "lists.jsonl", "messages.jsonl"])
def test_a_row_may_hold_a_text_several_texts_or_messages(folder: Path, form: str) -> None:
    turns = [{"role": "user", "content": text} for text in ENGLISH.split(". ")]
    source = {"pairs.jsonl": ENGLISH, "lists.jsonl": ENGLISH.split(". "), "messages.jsonl": turns}[form]
    rows = [{"en": source, "de": GERMAN}, {"en": None, "de": []}]
    (folder / form).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    guard = guard_of(folder, data=folder / form, target="de", source="en")
    assert guard(completions=["Role, User, Content.", "Eine Bowl."]) == [1.0, 0.0]


def test_what_is_no_text_is_named(folder: Path) -> None:
    (folder / "pairs.jsonl").write_text('{"en": "a", "de": "b"}\n{"en": {"text": "a"}, "de": "b"}\n')
    with pytest.raises(ArgumentTypeError, match="`en` must be a text or a list of messages .* at row 2"):
        guard_of(folder, data=folder / "pairs.jsonl", target="de", source="en")(completions=["b"])


@pytest.mark.parametrize(("language", "text"), [("de", "1 2 3\n"), ("en", "1 2 3\n"), ("en", GERMAN)])
def test_texts_that_leave_no_word_foreign_are_named(folder: Path, language: str, text: str) -> None:
    (folder / f"train.{language}").write_text(text)
    with pytest.raises(ArgumentError, match=r"`target` .*train\.de.* and `source` .*train\.en must have words of"):
        guard_of(folder)(completions=["Eine Schale."])


def test_unreadable_text_is_named(folder: Path) -> None:
    (folder / "train.de").write_bytes(b"Schale\n\xff\xfe\xfa\n")
    with pytest.raises(ArgumentError, match=r"train\.de: not valid UTF-8 at row 2"):
        guard_of(folder)(completions=["Eine Schale."])


@pytest.mark.parametrize("limit", [1.0, -0.1, None])
def test_limit_out_of_its_range_is_refused(folder: Path, limit: object) -> None:
    with pytest.raises(ArgumentError, match=r"`limit` must be a number in \[0, 1\)"):
        guard_of(folder, limit=limit)


def test_empty_answer_fails(folder: Path) -> None:
    assert guard_of(folder)(completions=["", " \n", "<think>hm"]) == [0.0, 0.0, 0.0]


def test_pickle_holds_no_words_and_gives_an_equal_guard(folder: Path) -> None:
    guard = guard_of(folder)
    guard(completions=["Eine Bowl."])
    pickled = pickle.dumps(guard)
    assert pickle.loads(pickled) == guard
    assert b"bowl" not in pickled


def test_signature_holds_the_content_of_the_files(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    for language in TEXTS:
        (other / f"train.{language}").write_bytes((folder / f"train.{language}").read_bytes())
    (other / "train.de").write_text(f"{GERMAN} Kurz.", encoding="utf-8")
    first, second = (guard_of(place).signature().rpartition("|texts:")[2].split(",") for place in (folder, other))
    assert first[0] != second[0]
    assert first[1] == second[1]


def test_gate_gives_the_floor_to_an_answer_with_source_words(folder: Path) -> None:
    reward = CompositeReward(
        [(LanguageConsistencyReward("de"), 1.0), (guard_of(folder), 0.0)], mode="gate", gates=["foreign_words"]
    )
    assert reward(completions=["Eine Schale.", "Eine Bowl."]) == [1.0, 0.0]


@pytest.mark.parametrize("reference_column", [None, "reference"])
def test_guard_keeps_the_contract(folder: Path, reference_column: str | None) -> None:
    rows = [
        {"completion": answer, "prompt": "A bowl of food.", "reference": "Eine Schale mit Essen."}
        for answer in ("Eine Schale mit Essen.", "Eine Bowl mit Food.", "A bowl of food.", "3")
    ]
    report = check_reward(guard_of(folder, reference_column=reference_column), rows, bounds=(0.0, 1.0), spawn=False)
    assert report.passed, str(report)
