from pathlib import Path

import pytest

from tibetan.leak import SourceLeak, leaked_words, read_foreign_words, write_foreign_words

PAIRS = [
    ("Un chien vert court.", "A green dog runs."),
    ("L'homme porte un t-shirt de Paris.", "The man wears a T-shirt from Paris."),
    ("Des gens regardent l’océan.", "People look at the ocean."),
]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    write_foreign_words(tmp_path, PAIRS)
    return str(tmp_path)


def test_words_of_both_sides_are_not_foreign(folder: str) -> None:
    foreign = read_foreign_words(folder)
    assert {"chien", "vert", "homme", "porte", "océan"} <= foreign
    assert not foreign & {"t", "shirt", "paris"}


@pytest.mark.parametrize(
    ("answer", "source", "leaked"),
    [
        ("A Vert dog runs.", PAIRS[0][0], ["vert"]),  # whatever its case
        ("The oce\u0301an.", PAIRS[2][0], ["océan"]),  # composed and decomposed letters are one word
        ("A homme runs.", PAIRS[0][0], []),  # a foreign word from elsewhere
        ("A green chiens runs.", PAIRS[0][0], []),  # an adapted spelling
    ],
)
def test_word_leaks_if_its_source_has_it(folder: str, answer: str, source: str, leaked: list[str]) -> None:
    assert leaked_words(answer, source, read_foreign_words(folder)) == leaked


def test_reward_marks_answers_with_a_leak(folder: str) -> None:
    message = [{"role": "assistant", "content": "The homme wears a shirt."}]
    sources = [PAIRS[0][0], PAIRS[1][0]]
    values = SourceLeak(folder)(completions=["A green dog runs.", message], source=sources, reference=["", ""])
    assert values == [0.0, 1.0]
