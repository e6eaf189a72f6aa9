import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semreward.audit import DEFAULT_ATTACKS, TABLES, Attack, AuditRow, Corpus, LanguageTable, learn_lexicon
from semreward.audit.attacks import KINDS
from semreward.audit.tables import ENGLISH, TIBETAN
from semreward.errors import ArgumentError, ArgumentTypeError

TIBETAN_ROW = AuditRow(
    "བཀྲ་ཤིས་ཀྱིས་སྒྲོལ་མ་ལ་དེབ་གསུམ་སྤྲད།",
    source="扎西给了卓玛三本书。",
    prompt="翻译：扎西给了卓玛三本书。",
    paraphrase="སྒྲོལ་མ་ལ་བཀྲ་ཤིས་ཀྱིས་དེབ་གསུམ་སྤྲད།",
    other_language="Tashi gave Dolma three books.",
)
ENGLISH_ROW = AuditRow(
    "Tashi gave Dolma 3 old books in Paris.",
    source="扎西在巴黎给了卓玛三本旧书。",
    paraphrase="In Paris, Dolma got 3 old books from Tashi.",
    columns={"roles": ("Tashi", "Dolma"), "entities": ["Paris"]},
)
OTHER = AuditRow("It rains in Rome.", columns={"entities": ["Rome"]}, index=1)
ATTACKS = {attack.name: attack for attack in DEFAULT_ATTACKS}


def made(name, row=ENGLISH_ROW, table=ENGLISH, **corpus):
    return ATTACKS[name].make(row, Corpus([row, OTHER], table, **corpus))


def tibetan(name):
    return made(name, TIBETAN_ROW, TIBETAN)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("empty", ""),
        ("one_word", "Tashi"),
        ("hidden_reasoning", "<think>Tashi gave Dolma 3 old books in Paris.</think>"),
        ("zero_width", "T\u200ba\u200bs\u200bh\u200bi g"),
        ("source_copy", "扎西在巴黎给了卓玛三本旧书。"),
        ("half_and_half", "Tashi gave Dolma 3 卓玛三本旧书。"),
        ("homoglyphs", "Таѕhі gаvе Dоlmа 3 оld bооkѕ іn Раrіѕ."),
        ("full_width", "Ｔａｓｈｉ ｇａｖｅ Ｄｏｌｍａ ３ ｏｌｄ"),
        ("foreign_digits", "Tashi gave Dolma ٣ old books in Paris."),
        ("padding", "Tashi gave Dolma 3 old books in Paris. I hope this answer is helpful"),
        ("preamble", "Translation: Tashi gave Dolma 3 old books in Paris."),
        ("verbose", "Tashi gave Dolma 3 old books in Paris. In Paris, Dolma got 3 old books from Tashi."),
        ("repetition", " ".join(["Tashi gave Dolma 3 old books in Paris."] * 3)),
        ("extra_sentence", "Tashi gave Dolma 3 old books in Paris. It rains in Rome."),
        ("truncated", "Tashi gave Dolma 3"),
        ("keyword_bag", "3 Dolma Paris Tashi books gave old"),
        ("negation", "It is not true that Tashi gave Dolma 3 old books in Paris."),
        ("role_swap", "Dolma gave Tashi 3 old books in Paris."),
        ("unrelated", "It rains in Rome."),
    ],
)
def test_english_answers_begin_as_described(name, answer):
    made_answer = made(name)
    assert made_answer == answer or (answer and made_answer.startswith(answer))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("separators_only", "་་་་་་་་་་་་"),
        ("prompt_copy", "翻译：扎西给了卓玛三本书。"),
        ("other_language", "Tashi gave Dolma three books."),
        ("half_and_half", "བཀྲ་ཤིས་ཀྱིས་སྒྲོལ་མ 玛三本书。"),
        ("transliteration", "bkra shis kyis sgrol ma la deb gsum sprad/"),
        ("homoglyphs", "བཀྲ༌ཤིས༌ཀྱིས༌སྒྲོལ༌མ༌ལ༌དེབ༌གསུམ༌སྤྲད།"),
        ("preamble", "བོད་ཡིག་ཏུ་བསྒྱུར་ན། བཀྲ་ཤིས་ཀྱིས་སྒྲོལ་མ་ལ་དེབ་གསུམ་སྤྲད།"),
        ("keyword_bag", "གསུམ་དེབ་བཀྲ་མ་ཤིས་སྒྲོལ་སྤྲད"),
        ("negation", "བཀྲ་ཤིས་ཀྱིས་སྒྲོལ་མ་ལ་དེབ་གསུམ་མ་སྤྲད།"),
        ("role_swap", "སྒྲོལ་མས་བཀྲ་ཤིས་ལ་དེབ་གསུམ་སྤྲད།"),
    ],
)
def test_tibetan_answers_are_as_described(name, answer):
    assert tibetan(name) == answer


def test_one_word_of_the_source_stands_in_the_reference():
    foreign = [word for word in "扎西在巴黎给了卓玛三本旧书" if word in made("code_mixed")]
    assert len(foreign) == 1


def test_words_of_the_reference_are_mixed_with_what_translates_them():
    lexicon = learn_lexicon([("扎西", "Tashi"), ("扎西", "Tashi"), ("书", "books"), ("书", "books")])
    answers = {made("code_mixed", lexicon=lexicon, seed=seed) for seed in range(9)}
    assert answers <= {
        "扎 gave Dolma 3 old books in Paris.",
        "Tashi gave Dolma 3 old 书 in Paris.",
        "扎 gave Dolma 3 old 书 in Paris.",
    }


def test_changed_numbers_keep_everything_else():
    assert made("numbers_changed").replace(made("numbers_changed")[17], "3") == ENGLISH_ROW.reference


def test_a_changed_tibetan_number_is_another_number():
    assert tibetan("numbers_changed") not in (None, TIBETAN_ROW.reference)


def test_a_row_names_its_own_entities():
    assert made("entity_swap", table=LanguageTable("en")) == "Tashi gave Dolma 3 old books in Rome."


def test_an_entity_of_a_known_group_becomes_another_of_it():
    assert made("entity_swap").removeprefix("Tashi gave Dolma 3 old books in ").rstrip(".") in ENGLISH.entities[0]


def test_another_rows_words_lie_beyond_512_of_the_reference():
    before, found, _ = made("beyond_window").partition(OTHER.reference)
    assert (len(before.split()) >= 512, found) == (True, OTHER.reference)


@pytest.mark.parametrize("name", ["verbose", "source_copy", "prompt_copy", "other_language", "half_and_half"])
def test_attacks_that_need_a_column_pass_rows_without_it(name):
    assert made(name, AuditRow("It snows.")) is None


@pytest.mark.parametrize("name", ["separators_only", "transliteration", "padding", "preamble", "negation", "role_swap"])
def test_attacks_that_need_a_table_pass_languages_without_one(name):
    assert made(name, AuditRow("It snows."), LanguageTable("xx")) is None


@pytest.mark.parametrize("name", ["unrelated", "extra_sentence", "beyond_window"])
def test_attacks_that_need_another_row_pass_a_corpus_of_one_text(name):
    row = AuditRow("It snows.")
    assert ATTACKS[name].make(row, Corpus([row, AuditRow("It snows.", index=1)], ENGLISH)) is None


@pytest.mark.parametrize("attack", DEFAULT_ATTACKS, ids=lambda attack: attack.name)
@pytest.mark.parametrize(("row", "table"), [(TIBETAN_ROW, TIBETAN), (ENGLISH_ROW, ENGLISH)], ids=["bo", "en"])
def test_an_attack_makes_the_same_answer_each_time_and_after_pickling(attack, row, table):
    corpus = Corpus([row, OTHER], table, hub="It rains.")
    assert attack.make(row, corpus) == pickle.loads(pickle.dumps(attack)).make(row, corpus)


@pytest.mark.parametrize("attack", DEFAULT_ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_survives_a_reference_of_one_sign(attack):
    answer = attack.make(AuditRow("字"), Corpus([AuditRow("字")], TIBETAN))
    assert answer is None or isinstance(answer, str)


@settings(max_examples=40)
@given(
    st.lists(
        st.text(st.sampled_from("abT. ,12٣བོད་ཡིག།ལས三只猫。é\u200b"), min_size=1, max_size=25), min_size=2, max_size=3
    ),
    st.sampled_from([*TABLES.values(), LanguageTable("xx")]),
)
def test_attacks_make_a_text_or_nothing_of_any_reference(texts, table):
    rows = [AuditRow(text, source=texts[0], prompt=text, paraphrase=texts[-1], index=i) for i, text in enumerate(texts)]
    answers = [attack.make(rows[0], Corpus(rows, table, hub=texts[-1])) for attack in DEFAULT_ATTACKS]
    assert all(answer is None or isinstance(answer, str) for answer in answers)


@pytest.mark.parametrize(("column", "name"), [("entities", "entity_swap"), ("roles", "role_swap")])
@pytest.mark.parametrize("value", ["Tom", 3, {"a": "b"}, [None, "Tom"], ["Tom", 3], True])
def test_a_column_of_names_that_is_no_list_of_texts_is_named_with_its_row(column, name, value):
    row = AuditRow("Tom saw a dog.", columns={column: value}, index=1)
    with pytest.raises(ArgumentTypeError, match=f"`{column}` must be a list of texts or None, got .* at row 1"):
        ATTACKS[name].make(row, Corpus([OTHER, row], ENGLISH))


@pytest.mark.parametrize(("name", "answer"), [("entity_swap", "Rome"), ("role_swap", "Dolma gave Tashi")])
@pytest.mark.parametrize("make", [list, tuple, np.array, lambda texts: np.array(texts, dtype=object)])
def test_names_and_roles_may_be_an_array_as_parquet_gives_them(name, answer, make):
    columns = {key: make(list(texts)) for key, texts in ENGLISH_ROW.columns.items()}
    row = AuditRow(ENGLISH_ROW.reference, columns=columns)
    assert answer in made(name, row, LanguageTable("xx"))


@pytest.mark.parametrize("missing", [None, float("nan"), [], np.array([])])
@pytest.mark.parametrize("name", ["entity_swap", "role_swap"])
def test_missing_names_and_roles_are_none(name, missing):
    row = AuditRow("It snows.", columns={"entities": missing, "roles": missing})
    assert made(name, row, LanguageTable("xx")) is None


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=12))
def test_the_other_reference_is_half_the_corpus_away_or_the_first_that_differs(references):
    corpus, half = Corpus([AuditRow(text, index=index) for index, text in enumerate(references)]), len(references) // 2
    for row in corpus.rows:
        candidates = [references[(row.index + half) % len(references)], *references]
        assert corpus.other(row) == next((text for text in candidates if text != row.reference), None)


def test_the_other_row_is_found_without_reading_all_rows_for_each():
    compared = []

    class Reference(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other):
            compared.append(1)
            return str.__eq__(self, other)

        def __ne__(self, other):
            return not self == other

    rows = [AuditRow(Reference("same"), index=index) for index in range(300)]
    rows.append(AuditRow(Reference("other"), index=300))
    corpus = Corpus(rows)
    assert [str(corpus.other(row)) for row in rows[:300]] == ["other"] * 300
    assert len(compared) <= 5 * len(rows)


def test_a_row_with_a_lone_surrogate_draws_too():
    assert sorted(made("shuffled", AuditRow("a \ud800 c")).split()) == ["a", "c", "\ud800"]


def test_another_seed_draws_otherwise():
    assert made("shuffled", seed=0) != made("shuffled", seed=1)


def test_draws_do_not_depend_on_a_rows_place():
    draws = [Corpus([]).rng(AuditRow("It snows.", index=index)).random() for index in (0, 7)]
    assert draws[0] == draws[1]


def test_every_kind_has_several_attacks():
    counts = Counter(attack.kind for attack in DEFAULT_ATTACKS)
    assert all(counts[kind] >= 3 for kind in KINDS)


@pytest.mark.parametrize(
    ("name", "kind", "message"), [("", "form", "must be a non-empty string"), ("a", "odd", "must be one of")]
)
def test_a_wrong_attack_is_refused(name, kind, message):
    with pytest.raises(ArgumentError, match=message):
        Attack(name, kind, "", lambda row, corpus: None)
