"""Every reward of ours keeps the contract."""

import re

import pytest
import torch

from conformance import broken, misbehaving
from doubles import BigramEncoder
from embedding_server import embedding_server, encoder_of
from semreward import (
    Answer,
    BleuReward,
    ChrfReward,
    CompositeReward,
    LanguageConsistencyReward,
    SemanticSimilarityReward,
    SentenceTransformerEncoder,
    calibrate_threshold,
    paper_reward,
    recommended_reward,
)
from semreward.monitor.reward import MonitoredReward
from semreward.rewards.guards import LengthRatioGuard, NumberRecallReward, RepetitionGuard, SourceCopyGuard
from semreward.rewards.overlap import RougeLReward
from semreward.testing import check_reward

# Right, wrong, a copy of the source, with a copied word, too long, with another number.
ROWS = [
    ("བོད་ཀྱི་སྐད་ཡིག", "བོད་ཀྱི་སྐད་ཡིག", "bo", "藏语"),
    ("ཁོང་གིས་ཀུ་ཤུ་གསུམ་ཉོས།", "ཁོང་གིས་ཀུ་ཤུ་བཞི་ཟོས།", "bo", "他买了四个苹果"),
    ("他买了三个苹果给他的朋友", "ཁོང་གིས་ཀུ་ཤུ་གསུམ་ཉོས།", "bo", "他买了三个苹果给他的朋友"),
    ("གྲོང་ཁྱེར་ Paris ཆེན་པོ།", "གྲོང་ཁྱེར་ཆེན་པོ།", "bo", "大城市 Paris"),
    ("he bought apples " * 9, "he bought apples", "en", "他买了苹果"),
    ("he bought 30 apples", "he bought 40 apples", "en", "他买了40个苹果"),
]
EXAMPLES = [
    {"completion": text, "reference": wanted, "language": tag, "source": source} for text, wanted, tag, source in ROWS
]
CONVERSATIONS = [
    {
        **row,
        "prompt": [{"role": "system", "content": "翻译"}, {"role": "user", "content": "三个苹果"}],
        "completion": [{"role": "assistant", "content": row["completion"]}],
    }
    for row in EXAMPLES
]
# From best to worst, for every reward here.
ORDERED = [
    {
        "completions": [ROWS[0][0], "བོད་ཀྱི་སྐད།", "he bought apples", ""],
        "reference": ROWS[0][1],
        "language": "bo",
        "source": "藏语",
    }
]


def similarity(**options):
    return SemanticSimilarityReward(BigramEncoder(), threshold=0.3, **options)


def vowels_tell(texts):
    """Stands in for a detector: Tibetan that has a vowel sign is taken for Tibetan, and not for Dzongkha."""
    return [{"bo": 0.9, "dz": 0.1} if set(text) & set("ིེོུ") else {"bo": 0.2, "dz": 0.8} for text in texts]


REWARDS = {
    "similarity": (similarity(), (0.0, 1.0)),
    "similarity_calibrated": (
        SemanticSimilarityReward(
            BigramEncoder(), threshold=calibrate_threshold([0.2, 0.4], encoder_fingerprint=BigramEncoder().fingerprint)
        ),
        (0.0, 1.0),
    ),
    "similarity_may_miss_references": (similarity(on_missing="none"), (0.0, 1.0)),
    "language": (LanguageConsistencyReward("bo"), (0.0, 1.0)),
    "language_ratio": (LanguageConsistencyReward("bo", shape="ratio", tolerance=0.1), (0.0, 1.0)),
    "language_spans": (
        LanguageConsistencyReward(
            "bo", allowed=("Paris", re.compile(r"\bGPU\b")), strip=("code", "urls", "latex", "tags")
        ),
        (0.0, 1.0),
    ),
    "language_detected": (LanguageConsistencyReward("bo", detector=vowels_tell, detector_threshold=0.5), (0.0, 1.0)),
    "scripts": (LanguageConsistencyReward(scripts=("Tibt", "Hani")), (0.0, 1.0)),
    "language_column": (LanguageConsistencyReward(language_column="language"), (0.0, 1.0)),
    "language_column_may_miss": (LanguageConsistencyReward(language_column="language", on_missing="none"), (0.0, 1.0)),
    "bleu": (BleuReward(), (0.0, 1.0)),
    "chrf": (ChrfReward(), (0.0, 1.0)),
    "rouge_l": (RougeLReward(), (0.0, 1.0)),
    "length_ratio": (LengthRatioGuard(), (0.0, 1.0)),
    "repetition": (RepetitionGuard(), (0.0, 1.0)),
    "repetition_beyond_reference": (RepetitionGuard(reference_column="reference"), (0.0, 1.0)),
    "source_copy": (SourceCopyGuard(), (0.0, 1.0)),
    "number_recall": (NumberRecallReward(), (0.0, 1.0)),
    "number_recall_of_source": (NumberRecallReward(source_column="source"), (0.0, 1.0)),
    "gate": (
        CompositeReward(
            [(similarity(), 1.5), (LanguageConsistencyReward("bo"), 1.0)], mode="gate", gates=["language_consistency"]
        ),
        (0.0, 2.5),
    ),
    "recommended": (recommended_reward(BigramEncoder(), "bo", 0.3, source_column="source"), (0.0, 2.5)),
    "composite": (CompositeReward([(similarity(), 1.5), (ChrfReward(), -0.5)]), (-0.5, 1.5)),
    "composite_of_foreign_rewards": (
        CompositeReward([(broken.sound_function, 1.0), (broken.sound_coroutine, 1.0), (broken.Sound(), 1.0)]),
        None,  # functions declare no range
    ),
    "composite_of_composites": (
        CompositeReward([(paper_reward(BigramEncoder(), "bo", 0.3), 1.0)], name="outer"),
        (0.0, 2.5),
    ),
    "paper": (paper_reward(BigramEncoder(), "bo", 0.3), (0.0, 2.5)),
    "monitored": (
        MonitoredReward(paper_reward(BigramEncoder(), "bo", 0.3), judges=(ChrfReward(name="judge"),)),
        (0.0, 2.5),
    ),
    "awaited_similarity": (similarity().as_async(), (0.0, 1.0)),
    "awaited_paper": (paper_reward(BigramEncoder(), "bo", 0.3).as_async(), (0.0, 2.5)),
    "awaited_composite": (CompositeReward([(similarity(on_missing="none").as_async(), 1.0)]).as_async(), (0.0, 1.0)),
}


def skipped(report):
    return {result.name for result in report.results if result.status == "skipped"}


@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("examples", [EXAMPLES, CONVERSATIONS], ids=["plain", "conversational"])
def test_a_reward_of_ours_passes(reward, examples):
    reward, bounds = REWARDS[reward]
    report = check_reward(reward, examples, bounds=bounds, spawn=False)
    assert report.passed, str(report)


@pytest.mark.parametrize("reward", REWARDS)
def test_a_reward_of_ours_declares_its_range(reward):
    reward, bounds = REWARDS[reward]
    assert reward.bounds == bounds


@pytest.mark.parametrize(
    "reward",
    ["similarity", "language_column", "bleu", "chrf", "composite", "paper", "gate", "recommended", "awaited_paper"],
)
def test_nothing_is_left_out_but_other_processes_and_what_a_reward_has_not(reward):
    left_out = {"spawned_process", "async_grpo_call", "hides_secrets"}
    left_out |= set() if reward.startswith("awaited") else {"awaited_together"}
    reward, _ = REWARDS[reward]
    assert skipped(check_reward(reward, EXAMPLES, ordered=ORDERED, spawn=False)) == left_out


def test_a_composite_that_may_miss_a_component_leaves_missing_values_to_the_components():
    reward = CompositeReward([(similarity(on_missing="none"), 1.0), (LanguageConsistencyReward("bo"), 1.0)])
    report = check_reward(reward, EXAMPLES, spawn=False)
    assert report.passed, str(report)
    assert "missing_value" in skipped(report)


def failed(report):
    return {result.name for result in report.with_status("failed")}


def test_rows_without_a_tag_are_judged_by_the_default_language():
    reward = LanguageConsistencyReward("bo", language_column="language")
    assert failed(check_reward(reward, EXAMPLES, spawn=False)) == {"missing_value"}


def test_reasoning_that_is_kept_is_judged():
    reward = LanguageConsistencyReward("bo", answer=Answer(reasoning="keep"))
    assert failed(check_reward(reward, EXAMPLES)) == {"reasoning_ignored"}


def test_the_paper_reward_passes_with_a_model_that_each_process_loads(encoder_folder):
    encoder = SentenceTransformerEncoder(str(encoder_folder))
    report = check_reward(paper_reward(encoder, "bo", 0.3), EXAMPLES, bounds=(0.0, 2.5))
    passed = {result.name for result in report.results if result.status == "passed"}
    assert passed >= {"spawned_process", "async_grpo_call", "threads"}
    assert report.passed, str(report)


def test_a_reward_behind_a_server_hides_its_key(monkeypatch):
    monkeypatch.setenv("SEMREWARD_API_KEY", misbehaving.KEY)  # where other processes find it
    with embedding_server() as server:
        reward = SemanticSimilarityReward(encoder_of(server, api_key=misbehaving.KEY), threshold=0.3)
        report = check_reward(reward, EXAMPLES, ordered=ORDERED, secrets=[misbehaving.KEY])
    assert report.passed, str(report)
    assert skipped(report) == {"awaited_together"}


class TorchReward(torch.nn.Module):
    def forward(self, completions, reference, **columns):
        return broken.sound_function(completions, reference)


def test_a_torch_module_is_refused():
    report = check_reward(TorchReward(), EXAMPLES, spawn=False)
    assert {result.name for result in report.results if result.status == "failed"} == {"not_a_module"}
