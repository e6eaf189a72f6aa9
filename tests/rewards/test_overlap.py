import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import sacrebleu

from reference import sacrebleu_sentences
from semreward import BleuReward, ChrfReward
from semreward.errors import ArgumentError, ArgumentTypeError, MissingColumnError, MissingDependencyError
from semreward.rewards.overlap import RougeLReward

REWARDS = pytest.mark.parametrize(
    "reward", [BleuReward(), ChrfReward(), RougeLReward()], ids=lambda reward: reward.name
)
SACREBLEUS = pytest.mark.parametrize("reward", [BleuReward(), ChrfReward()], ids=lambda reward: reward.name)


@pytest.mark.parametrize(("completion", "references", "bleu"), sacrebleu_sentences.BLEU)
def test_bleu_equals_sacrebleus_command_line(completion, references, bleu):
    assert BleuReward()(completions=[completion], reference=[references]) == pytest.approx([bleu / 100], abs=1e-6)


@pytest.mark.parametrize(("completion", "references", "chrf"), sacrebleu_sentences.CHRF)
def test_chrf_equals_sacrebleus_command_line(completion, references, chrf):
    assert ChrfReward()(completions=[completion], reference=[references]) == pytest.approx([chrf / 100], abs=1e-6)


def test_bleu_by_hand():
    # 3 of 4 unigrams, 2 of 3 bigrams, 1 of 2 trigrams; no fourgram of 1, smoothed to a half
    reward = BleuReward()
    assert reward(completions=["a b c d"], reference=["a b c e"]) == pytest.approx([(3 / 4 * 2 / 3 / 2 / 2) ** 0.25])


def test_bleu_counts_tibetan_syllables():
    assert BleuReward()(completions=["བོད་ཡིག"], reference=["བོད་སྐད"])[0] > 0


def test_bleu_of_completions_under_four_units_uses_their_order():
    assert BleuReward()(completions=["a b"], reference=["a b"]) == pytest.approx([1.0])


def test_brevity_is_penalised():
    full, brief = BleuReward()(completions=["a b c d e f", "a b c d"], reference=["a b c d e f"] * 2)
    assert brief < full


@REWARDS
def test_the_reference_itself_earns_one(reward):
    assert reward(completions=["བོད་ཡིག །"], reference=["བོད་ཡིག །"]) == pytest.approx([1.0])


@REWARDS
def test_nothing_in_common_earns_nothing(reward):
    assert reward(completions=["xyz"], reference=["བོད་ཡིག"]) == [0.0]


@REWARDS
@pytest.mark.parametrize("completion", ["", "  ", "<think>བོད"])
def test_an_empty_completion_earns_nothing(reward, completion):
    assert reward(completions=[completion], reference=["བོད"]) == [0.0]


def test_a_completion_without_units_earns_nothing():
    assert BleuReward()(completions=["་"], reference=["བོད"]) == [0.0]


@REWARDS
def test_more_references_never_hurt(reward):
    alone, among = reward(completions=["a b c d"] * 2, reference=["a b c e", ["a b c e", "a b c d"]])
    assert alone <= among == pytest.approx(1.0)


@REWARDS
def test_no_completions_give_no_values(reward):
    assert reward(completions=[], reference=[]) == []


@REWARDS
def test_a_missing_reference_is_none_on_demand(reward):
    lenient = reward.replace(on_missing="none")
    assert lenient(completions=["a", "a"], reference=[None, "a"]) == [None, pytest.approx(1.0)]


@REWARDS
def test_a_missing_reference_is_named_by_its_row(reward):
    with pytest.raises(ArgumentError, match="`reference` .* got None at row 1"):
        reward(completions=["a", "a"], reference=["a", None])


@REWARDS
def test_a_reference_of_the_wrong_type_is_named_by_its_row(reward):
    with pytest.raises(ArgumentTypeError, match="`reference` .* at row 0"):
        reward(completions=["a"], reference=[3])


@REWARDS
def test_a_missing_column_is_named(reward):
    with pytest.raises(MissingColumnError, match="column `reference` is missing"):
        reward(completions=["a"])


@REWARDS
def test_an_unknown_missing_policy_fails_at_construction(reward):
    with pytest.raises(ArgumentError, match="`on_missing`"):
        reward.replace(on_missing="zero")


@REWARDS
@pytest.mark.parametrize("column", [None, "", 3])
def test_a_reward_that_needs_a_reference_must_name_its_column(reward, column):
    with pytest.raises(ArgumentError, match="`reference_column` must be a non-empty string"):
        reward.replace(reference_column=column)


@REWARDS
def test_concurrent_threads_get_equal_values(reward):
    completions, reference = [f"a b c {number}" for number in range(50)], ["a b c 7"] * 50
    expected = reward(completions=completions, reference=reference)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: reward(completions=completions, reference=reference), range(16)))
    assert all(result == expected for result in results)


@REWARDS
def test_a_reward_is_the_same_after_pickling(reward):
    assert pickle.loads(pickle.dumps(reward)) == reward


@REWARDS
def test_values_lie_within_the_bounds(reward):
    assert reward.bounds == (0.0, 1.0)


@pytest.mark.parametrize(
    ("completion", "reference", "value"),
    [
        ("the cat sat", "the cat ran off the mat", 4 / 9),
        ("a c", "a b c", 4 / 5),
        ("c a", "a b c", 2 / 5),
        ("བོད་ཡིག", "བོད་སྐད་ཡིག", 4 / 5),
        ("我爱北京", "我爱你北京", 8 / 9),
        ("ฉันกินข้าว", "ฉันกินปลา", 5 / 7),  # 5 of 7 and of 7 characters with their marks
        ("a c", ["x", "a b c", "a c"], 1.0),
    ],
)
def test_rouge_l_by_hand(completion, reference, value):
    assert RougeLReward()(completions=[completion], reference=[reference]) == pytest.approx([value])


def test_rouge_l_of_thousands_of_units_is_exact():
    completion, reference = " ".join(["a b"] * 5000), " ".join(["b c a"] * 3000)
    # "a b" and "b c a" alternate, so every unit but the first can be matched until the shorter one ends
    common = 6000
    assert RougeLReward()(completions=[completion], reference=[reference]) == pytest.approx([2 * common / 19000])


def test_rouge_l_needs_no_further_library(no_module):
    no_module("sacrebleu")
    assert RougeLReward()(completions=["a"], reference=["a"]) == [1.0]


@SACREBLEUS
def test_the_signature_carries_sacrebleus_version(reward):
    assert reward.signature().endswith(f"|sacrebleu:{sacrebleu.__version__}")


@pytest.fixture
def no_module(monkeypatch):
    """Makes the import of sacrebleu fail for want of the module that is named."""
    missing = []

    def failing(name):
        raise ModuleNotFoundError(f"No module named {missing[0]!r}", name=missing[0])

    monkeypatch.setattr("importlib.import_module", failing)
    return missing.append


def test_a_missing_library_fails_at_construction_with_the_install_command(no_module):
    no_module("sacrebleu")
    with pytest.raises(MissingDependencyError, match=r"pip install 'semreward\[eval\]'"):
        BleuReward()


def test_what_the_library_itself_lacks_is_told_as_it_is(no_module):
    no_module("portalocker")
    with pytest.raises(ModuleNotFoundError, match="portalocker") as caught:
        BleuReward()
    assert not isinstance(caught.value, MissingDependencyError)
