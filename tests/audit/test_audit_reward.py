import numpy as np
import pytest

from semreward import BleuReward, CompositeReward, LanguageConsistencyReward, SemanticSimilarityReward, paper_reward
from semreward.audit import Attack, audit_reward
from semreward.audit.edits import words_of
from semreward.audit.tables import ENGLISH
from semreward.errors import ArgumentError, ArgumentTypeError, RewardOutputError

PAIRS = [
    {
        "reference": "Tashi gave Dolma 3 old books in Paris.",
        "source": "扎西在巴黎给了卓玛三本旧书。",
        "paraphrase": "In Paris, Dolma got 3 old books from Tashi.",
        "weak": "Tashi gave a book.",
    },
    {
        "reference": "It did not rain in the valley yesterday.",
        "source": "昨天山谷里没有下雨。",
        "paraphrase": "Yesterday the valley stayed dry.",
        "weak": "It rains valley.",
    },
    {"reference": "The farmers sold their horses.", "source": "农民卖掉了马。", "weak": "Farmers had horses."},
]


def constant(completions, **columns):
    return [1.0 for _ in completions]


def exact(completions, reference, **columns):
    return [float(answer == right) for answer, right in zip(completions, reference, strict=True)]


def word_recall(completions, reference, **columns):
    pairs = [
        (set(words_of(answer)), set(words_of(right))) for answer, right in zip(completions, reference, strict=True)
    ]
    return [len(answer & right) / len(right) for answer, right in pairs]


def attack(make, name="own"):
    return Attack(name, "form", "an attack of the test", make)


def test_a_keyword_reward_pays_shuffled_words_like_the_reference():
    assert audit_reward(word_recall, PAIRS, language="en")["shuffled"].verdict == "matches_gold"


def test_an_exact_reward_pays_no_attack():
    report = audit_reward(exact, PAIRS, language="en")
    assert report.with_verdict("beats_weak", "matches_gold") == ()


def test_a_constant_reward_pays_every_attack_like_the_reference():
    report = audit_reward(constant, PAIRS, language="en")
    assert {result.verdict for result in report.attacks if result.applied} == {"matches_gold"}


def test_a_cross_lingual_similarity_without_a_language_reward_pays_the_source(encoder):
    class Bilingual:  # knows the sources as well as the references
        fingerprint = "bilingual"
        translations = {pair["source"]: pair["reference"] for pair in PAIRS}

        def encode(self, texts):
            return encoder.encode([self.translations.get(text, text) for text in texts])

    report = audit_reward(SemanticSimilarityReward(Bilingual(), threshold=0.2), PAIRS, language="en")
    assert report["source_copy"].verdict == "matches_gold"


def test_the_gate_stops_what_the_sum_pays(encoder):
    similarity = (SemanticSimilarityReward(encoder, threshold=0.1), 3.0)
    language = (LanguageConsistencyReward("en"), 0.1)
    plain = CompositeReward([similarity, language])
    gated = plain.replace(mode="gate", gates=("language_consistency",))
    verdicts = [audit_reward(reward, PAIRS, language="en")["half_and_half"].verdict for reward in (plain, gated)]
    assert verdicts == ["beats_weak", "harmless"]


def test_means_are_those_of_the_rows_to_which_an_attack_applies():
    only_first = attack(lambda row, corpus: "Tashi gave" if row.index == 0 else None)
    result = audit_reward(word_recall, PAIRS, attacks=[only_first])["own"]
    assert (result.applied, result.mean, result.weak, result.gold) == (1, 2 / 8, 2 / 8, 1.0)


def test_an_attack_that_changes_nothing_does_not_apply():
    unchanged = attack(lambda row, corpus: row.reference)
    assert audit_reward(exact, PAIRS, attacks=[unchanged])["own"].verdict == "not_tested"


def test_an_attack_that_makes_the_paraphrase_does_not_apply():
    honest = attack(lambda row, corpus: row.paraphrase)
    assert audit_reward(exact, PAIRS, attacks=[honest])["own"].applied == 0


def test_a_tie_is_half_a_win():
    weak = attack(lambda row, corpus: row.weak)
    assert audit_reward(word_recall, PAIRS, attacks=[weak])["own"].win_rate == 0.5


def test_rows_without_a_reward_are_left_out_and_counted():
    def none_for_short(completions, **columns):
        return [None if len(answer) < 3 else float(len(answer)) for answer in completions]

    mixed = attack(lambda row, corpus: "x" if row.index == 0 else "xxxx")
    result = audit_reward(none_for_short, PAIRS, attacks=[mixed])["own"]
    assert (result.applied, result.unscored, result.mean) == (3, 1, 4.0)


def test_an_attack_without_any_reward_is_not_tested():
    def none_for_empty(completions, **columns):
        return [float(len(answer)) if answer else None for answer in completions]

    result = audit_reward(none_for_empty, PAIRS)["empty"]
    assert (result.applied, result.unscored, result.verdict) == (3, 3, "not_tested")


def test_rows_whose_reference_has_no_reward_are_left_out():
    def none_for_paris(completions, **columns):
        return [None if "Paris" in answer else float(len(answer)) for answer in completions]

    fixed = attack(lambda row, corpus: "abcd" if row.index == 0 else "ab")
    assert audit_reward(none_for_paris, PAIRS, attacks=[fixed])["own"].mean == 2.0


def test_position_says_where_between_weak_and_gold_an_attack_stands():
    def length(completions, **columns):
        return [float(len(answer)) for answer in completions]

    pairs = [{"reference": "a b c d", "weak": "abc"}]
    result = audit_reward(length, pairs, attacks=[attack(lambda row, corpus: "abcde")])["own"]
    assert result.position == 0.5


def test_missing_weak_answers_are_made_by_leaving_out_every_third_word():
    assert "a b d e g" in seen_by_a_reward([{"reference": "a b c d e f g"}])[0]


@pytest.mark.parametrize(("weak", "built"), [(None, 1), (" ", 1), ("a", 0)])
def test_built_weak_answers_are_counted(weak, built):
    assert audit_reward(constant, [{"reference": "a b c", "weak": weak}]).weak_built == built


def test_the_hub_is_the_reference_that_earns_most_elsewhere():
    def likes_cats(completions, **columns):
        return [float("cat" in answer) for answer in completions]

    pairs = [{"reference": text} for text in ("a dog ran", "a cat sat", "it rains")]
    assert audit_reward(likes_cats, pairs)["hub_sentence"].example == "a cat sat"


def test_the_search_for_the_hub_is_bounded():
    rows = []

    def counting(completions, **columns):
        rows.append(len(completions))
        return [0.0 for _ in completions]

    audit_reward(counting, [{"reference": f"text {number}"} for number in range(40)], hub_candidates=5)
    assert max(rows[:1]) == 5 * 4


@pytest.mark.parametrize("mode", ["sum", "gate"])
def test_a_composites_components_are_reported(encoder, mode):
    gates = {"mode": "gate", "gates": ("language_consistency",)} if mode == "gate" else {}
    report = audit_reward(paper_reward(encoder, "en", 0.2).replace(**gates), PAIRS, language="en")
    assert report["source_copy"].components["language_consistency"] == 0.0


def test_gated_rows_are_reported(encoder):
    reward = paper_reward(encoder, "en", 0.2).replace(mode="gate", gates=("language_consistency",))
    assert audit_reward(reward, PAIRS, language="en")["source_copy"].components["gated"] == 1.0


def test_a_component_that_does_not_apply_breaks_nothing(encoder):
    def none(completions, **columns):
        return [None for _ in completions]

    reward = CompositeReward([(SemanticSimilarityReward(encoder, threshold=0.1), 1.0), (none, 1.0)])
    assert "none" not in audit_reward(reward, PAIRS, language="en")["truncated"].components


def test_async_rewards_are_awaited(encoder):
    reward = SemanticSimilarityReward(encoder, threshold=0.1)
    found = [audit_reward(item, PAIRS, language="en").attacks for item in (reward, reward.as_async())]
    assert found[0] == found[1]


def test_the_same_audit_gives_the_same_report(encoder):
    reports = [audit_reward(paper_reward(encoder, "en", 0.2), PAIRS, language="en").rendered(".json") for _ in range(2)]
    assert reports[0] == reports[1]


def test_a_rows_order_decides_nothing_about_its_own_draws():
    own = audit_reward(word_recall, PAIRS, language="en")["numbers_changed"].mean
    assert audit_reward(word_recall, PAIRS[::-1], language="en")["numbers_changed"].mean == own


def seen_by_a_reward(pairs):
    """Completions and columns that a reward gets for the pairs."""
    completions_seen, columns_seen = [], {}

    def spy(completions, **columns):
        completions_seen.extend(completions)
        columns_seen.update(columns)
        return [0.0 for _ in completions]

    audit_reward(spy, pairs)
    return completions_seen, columns_seen


def test_the_prompt_and_all_columns_reach_the_reward():
    _, columns = seen_by_a_reward([{"reference": "a b", "prompt": "say it", "level": 4}])
    assert (columns["prompts"][0], columns["level"][0], "prompt" in columns) == ("say it", 4, False)


@pytest.mark.parametrize("make", [list, lambda messages: np.array(messages, dtype=object)], ids=["list", "array"])
def test_rows_with_messages_get_completions_as_messages(make):
    messages = make([{"role": "user", "content": "say it"}])
    completions, _ = seen_by_a_reward([{"reference": "a b", "prompt": messages}, {"reference": "c d"}])
    assert {type(completion) for completion in completions} == {list}


def test_the_last_message_of_a_prompt_is_copied():
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "say it"}]
    report = audit_reward(constant, [{"reference": "a b", "prompt": messages}])
    assert report["prompt_copy"].example == "say it"


def test_of_several_references_the_first_is_gold(encoder):
    pairs = [{"reference": ["a b c", "d e f"]}]
    reward = SemanticSimilarityReward(encoder, threshold=0.1)
    assert audit_reward(reward, pairs)["truncated"].example == "a b"


def test_own_attacks_join_the_shipped_ones():
    report = audit_reward(exact, PAIRS, attacks=[attack(lambda row, corpus: corpus.table.language)], language=ENGLISH)
    assert report["own"].example == "en"


def test_attacks_know_which_words_of_the_rows_translate_each_other():
    known = attack(lambda row, corpus: " ".join(corpus.lexicon.leaks["hund"]))
    pairs = [{"reference": "Hund", "source": "dog"}, {"reference": "Hund", "source": "dog"}, {"reference": "Katze"}]
    assert audit_reward(exact, pairs, attacks=[known])["own"].example == "dog"


def test_equal_references_have_no_hub():
    assert audit_reward(constant, [{"reference": "a b"}] * 3)["hub_sentence"].verdict == "not_tested"


@pytest.mark.parametrize(
    ("pairs", "error", "message"),
    [
        ([], ArgumentError, "`pairs` must be a non-empty list"),
        ([{"weak": "a"}], ArgumentError, "`reference` must be a non-empty string.*at row 0"),
        ([{"reference": "a"}, "b"], ArgumentTypeError, "must hold mappings, got str at row 1"),
        ([{"reference": "a", "weak": 3}], ArgumentTypeError, "`weak` must be a text or None, got '3' at row 0"),
        ([{"reference": "a", "prompt": 3}], ArgumentTypeError, "`prompt` must be a text, messages or None, got '3'"),
        ([{"reference": "a", "prompt": ["b"]}], ArgumentTypeError, "`prompt` must be a text, messages or None"),
        ([{"reference": "a", "completions": "b"}], ArgumentError, "must not have the column 'completions'"),
    ],
)
def test_wrong_pairs_are_refused(pairs, error, message):
    with pytest.raises(error, match=message):
        audit_reward(constant, pairs)


def test_two_attacks_of_one_name_are_refused():
    with pytest.raises(ArgumentError, match="distinct names, got own, own"):
        audit_reward(constant, PAIRS, attacks=[attack(lambda row, corpus: "a"), attack(lambda row, corpus: "b")])


def test_an_attack_that_makes_no_text_is_named():
    with pytest.raises(ArgumentTypeError, match="attack 'own' must make a text or None, got int at row 0"):
        audit_reward(constant, PAIRS, attacks=[attack(lambda row, corpus: 3)])


@pytest.mark.parametrize(("name", "least"), [("seed", 0), ("hub_candidates", 1)])
@pytest.mark.parametrize("value", [None, 1.5, -1, True])
def test_a_number_that_is_not_a_whole_one_of_its_range_is_named(name, least, value):
    with pytest.raises(ArgumentError, match=f"`{name}` must be a whole number of at least {least}, got {value}"):
        audit_reward(constant, PAIRS, **{name: value})


def test_what_the_reward_returns_is_checked():
    with pytest.raises(RewardOutputError, match="`broken` must return finite values"):
        audit_reward(broken, PAIRS)


def broken(completions, **columns):
    return [float("nan") for _ in completions]


def test_errors_of_the_reward_pass_through():
    with pytest.raises(ZeroDivisionError):
        audit_reward(lambda completions, **columns: [1 / 0 for _ in completions], PAIRS)


def test_other_rewards_have_no_signature():
    assert audit_reward(constant, PAIRS, attacks=[]).signature is None


def test_rewards_of_the_package_are_signed():
    pytest.importorskip("sacrebleu")
    assert audit_reward(BleuReward(), PAIRS).signature == BleuReward().signature()


def test_a_reward_that_values_nothing_fails_the_audit():
    def silent(completions, **columns):
        return [None for _ in completions]

    report = audit_reward(silent, PAIRS, language="en")
    assert (report.exit_code(), len(report.failures())) == (1, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attacks": ["shuffled"]}, "`attacks` must be a list of Attack objects, got 'shuffled'"),
        ({"attacks": [None]}, "`attacks` must be a list of Attack objects, got 'None'"),
        ({"attacks": "shuffled"}, "`attacks` must be a list of Attack objects, got 'shuffled'"),
        ({"attacks": None}, "`attacks` must be a list of Attack objects, got 'None'"),
    ],
)
def test_an_option_of_the_wrong_type_is_named(options, message):
    with pytest.raises(ArgumentTypeError, match=message):
        audit_reward(constant, PAIRS, **options)


def test_a_seed_of_numpy_gives_the_same_report():
    first, second = (audit_reward(constant, PAIRS, seed=seed).rendered(".json") for seed in (1, np.int64(1)))
    assert first == second
