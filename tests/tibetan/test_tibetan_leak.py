from pathlib import Path

from tibetan.leak import SourceLeak, foreign_words, leaked_words, read_words, write_words

PAIRS = [
    ("Un chien vert court.", "A green dog runs."),
    ("L'homme porte un t-shirt de Paris.", "The man wears a T-shirt from Paris."),
    ("Des gens regardent l’océan.", "People look at the ocean."),
]


def test_words_of_both_sides_are_not_foreign() -> None:
    foreign = foreign_words(PAIRS)
    assert {"chien", "vert", "homme", "porte", "océan"} <= foreign
    assert not foreign & {"t", "shirt", "paris"}


def test_word_that_stays_from_the_source_leaks_whatever_its_case() -> None:
    assert leaked_words("A Vert dog runs.", PAIRS[0][0], foreign_words(PAIRS)) == ["vert"]


def test_composed_and_decomposed_letters_are_one_word() -> None:
    assert leaked_words("The oce\u0301an.", PAIRS[2][0], foreign_words(PAIRS)) == ["océan"]


def test_foreign_word_from_elsewhere_does_not_leak() -> None:
    assert leaked_words("A homme runs.", PAIRS[0][0], foreign_words(PAIRS)) == []


def test_adapted_spelling_is_missed() -> None:
    assert leaked_words("A green chiens runs.", PAIRS[0][0], foreign_words(PAIRS)) == []


def test_words_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_words(tmp_path, foreign_words(PAIRS))
    assert read_words(str(tmp_path)) == foreign_words(PAIRS)


def test_reward_marks_answers_with_a_leak(tmp_path: Path) -> None:
    write_words(tmp_path, foreign_words(PAIRS))
    reward = SourceLeak(str(tmp_path))
    message = [{"role": "assistant", "content": "The homme wears a shirt."}]
    values = reward(completions=["A green dog runs.", message], source=[PAIRS[0][0], PAIRS[1][0]], reference=["", ""])
    assert values == [0.0, 1.0]
