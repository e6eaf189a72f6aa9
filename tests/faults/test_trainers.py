"""What trainers and wrappers make of a reward: the same answer everywhere, and no value that nobody chose."""

import asyncio
import json
import pickle
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from doubles import BigramEncoder
from semreward import (
    Answer,
    CompositeReward,
    LanguageConsistencyReward,
    MonitoredReward,
    SemanticSimilarityReward,
    paper_reward,
)
from semreward.audit import audit_reward
from semreward.cli import main
from semreward.errors import ArgumentError, EncoderUnavailableError
from semreward.integrations.areal import areal_reward
from semreward.integrations.openrlhf import openrlhf_reward
from semreward.integrations.slime import slime_reward
from semreward.integrations.swift import swift_reward
from semreward.integrations.trl import numeric_reward
from semreward.integrations.verifiers import rubric_reward, task_reward
from semreward.integrations.verl import verl_reward
from semreward.rewards.guards import RepetitionGuard

T = "ཁང་པ་དམར་པོ"
OTHER = "བོད་ཡིག་འདི་ཀློག"
PROMPT = "<|im_start|>user\n红色的房子<|im_end|>\n<|im_start|>assistant\n"


def areal(reward, answer, truth=T, **options):
    return areal_reward(reward, **options)("p", answer, [1], [2], reference=truth)


def openrlhf(reward, answer, truth=T, **options):
    return openrlhf_reward(reward, **options)([PROMPT + answer], [PROMPT], [truth])["rewards"].item()


def rubric(reward, answer, truth=T, **options):
    return asyncio.run(rubric_reward(reward, **options)(completion=answer, answer=truth))


def slime(reward, answer, truth=T, **options):
    sample = SimpleNamespace(prompt="p", response=answer, label=truth, metadata={})
    return asyncio.run(slime_reward(reward, **options)(SimpleNamespace(reward_key=None), sample))


def swift(reward, answer, truth=T, **options):
    return swift_reward(reward, **options)()([answer], reference=[truth], messages=[[{"role": "user"}, {}]])[0]


def task(reward, answer, truth=T, **options):
    trace = SimpleNamespace(last_reply=answer)
    return asyncio.run(task_reward(reward, **options)(SimpleNamespace(reference=truth), trace))


def verl(reward, answer, truth=T, **options):
    return asyncio.run(verl_reward(reward, **options)("captions", answer, truth))["score"]


def online_dpo(reward, answer, truth=T, **options):
    return numeric_reward(reward, **options)(
        prompts=["p"], completions=[answer], reference=[truth], trainer_state=None
    )[0]


def native(reward, answer, truth=T):
    return reward(completions=[answer], reference=[truth])[0]


def monitored(reward, answer, truth=T):
    logged = {}
    return MonitoredReward(reward)(completions=[answer], reference=[truth], log_metric=logged.__setitem__)[0]


ADAPTERS = [areal, openrlhf, rubric, slime, swift, task, verl, online_dpo]
every_way = pytest.mark.parametrize("pay", [*ADAPTERS, native, monitored])
every_adapter = pytest.mark.parametrize("pay", ADAPTERS)


def last_line(completion):
    return completion.splitlines()[-1]


FOUND = [
    (Answer(), f"<thinking>in English</thinking>{T}<|im_end|>"),
    (Answer(), f"<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>{T}<|return|>"),
    (Answer(tag="answer"), f"<think>in English</think>It is: <answer>{T}</answer>"),
    (Answer(reasoning="prefilled"), f"in English</think>{T}"),
    (last_line, f"It is:\n{T}"),
]


def similarity(**options):
    return SemanticSimilarityReward(BigramEncoder(), threshold=0.1, **options)


@every_way
@pytest.mark.parametrize(("answer", "completion"), FOUND)
def test_the_answer_is_found_in_every_way_a_reward_is_called(pay, answer, completion):
    assert pay(similarity(answer=answer), completion) == pytest.approx(1.0)
    assert pay(paper_reward(BigramEncoder(), "bo", 0.1, answer=answer), completion) == pytest.approx(2.5)


@every_way
def test_a_missing_tag_earns_nothing(pay):
    assert pay(paper_reward(BigramEncoder(), "bo", 0.1, answer=Answer(tag="answer")), T) == 0.0


@every_adapter
def test_a_monitored_reward_finds_the_same_answer(pay):
    assert pay(MonitoredReward(similarity(answer=Answer(tag="a"))), f"hm <a>{T}</a>") == pytest.approx(1.0)


@pytest.mark.parametrize("answer", [Answer(tag="answer"), Answer(reasoning="prefilled")])
@pytest.mark.parametrize("make", [similarity, lambda answer: paper_reward(BigramEncoder(), "bo", 0.1, answer=answer)])
def test_an_audit_finds_what_it_finds_without_a_tag(make, answer):
    pairs = [{"reference": T, "source": "red house"}, {"reference": OTHER, "source": "read this"}]
    plain, found = (audit_reward(make(answer=one), pairs, language="bo") for one in (Answer(), answer))
    assert [(level.name, level.mean) for level in found.levels] == [(level.name, level.mean) for level in plain.levels]
    assert [(one.name, one.mean) for one in found.attacks] == [(one.name, one.mean) for one in plain.attacks]


REWARDS = """
from doubles import BigramEncoder
from semreward import Answer, SemanticSimilarityReward
tagged = SemanticSimilarityReward(BigramEncoder(), threshold=0.1, answer=Answer(tag="answer"))
"""


@pytest.fixture
def rows(tmp_path):
    (tmp_path / "tagged_rewards.py").write_text(REWARDS, encoding="utf-8")
    row = json.dumps({"completion": f"It is: <answer>{T}</answer>", "reference": T})
    (tmp_path / "rows.jsonl").write_text(f"{row}\n{row}\n", encoding="utf-8")
    return tmp_path


def test_the_command_line_scores_a_reward_with_its_answer(rows, capsys):
    assert main(["score", str(rows / "rows.jsonl"), "--reward", f"{rows / 'tagged_rewards.py'}:tagged"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["rewards"]["total"] == pytest.approx(1.0)


@pytest.mark.parametrize("command", ["score", "calibrate", "audit", "check"])
def test_the_tag_of_a_named_reward_is_set_where_it_is_made(rows, capsys, command):
    target = f"{rows / 'tagged_rewards.py'}:tagged"
    assert main([command, str(rows / "rows.jsonl"), "--reward", target, "--answer-tag", "answer"]) == 2
    assert "--answer-tag goes with --encoder" in capsys.readouterr().err


class Folder(BigramEncoder):
    def warmup(self):
        pass


@pytest.mark.parametrize("command", [["score", "--language", "bo", "--threshold", "0.1"], ["calibrate"]])
def test_the_command_line_takes_a_tag(tmp_path, capsys, monkeypatch, command):
    monkeypatch.setattr("semreward.cli.rewards.SentenceTransformerEncoder", lambda name: Folder())
    written = []
    for name, form, options in (
        ("plain", "{}", []),
        ("tagged", "It is: <answer>{}</answer>", ["--answer-tag", "answer"]),
    ):
        pairs = [(T, OTHER), (OTHER, OTHER), (f"{OTHER} {T}", T)]
        rows = [{"completion": form.format(text), "reference": reference} for text, reference in pairs]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        assert main([*command, str(tmp_path / f"{name}.jsonl"), "--encoder", "x", *options]) == 0
        written.append(capsys.readouterr())
    plain, tagged = written
    assert plain.out.rpartition("rewards")[2] == tagged.out.rpartition("rewards")[2]
    assert plain.err == tagged.err


@every_adapter
def test_none_is_an_error_or_the_number_that_is_given(pay):
    reward = similarity(on_missing="none")
    with pytest.raises(ArgumentError, match="`on_none` must be a number where the reward does not apply"):
        pay(reward, T, None)
    assert pay(reward, T, None, on_none=-0.5) == -0.5


def test_online_dpo_sums_the_number_that_is_given_and_not_0():
    torch = pytest.importorskip("torch")
    trainer = pytest.importorskip("trl.experimental.online_dpo").OnlineDPOTrainer
    reward = numeric_reward(similarity(on_missing="none"), on_none=-0.5)
    online = SimpleNamespace(
        accelerator=SimpleNamespace(device="cpu"),
        reward_funcs=[reward],
        reward_processing_classes=[None],
        reward_weights=torch.ones(1),
        state=None,
    )
    found = trainer._calculate_rewards_from_functions(online, ["p"] * 2, [T, T], [[1]] * 2, reference=[T, None])
    assert found.tolist() == pytest.approx([1.0, -0.5])


def test_a_reward_without_none_keeps_its_name_and_pickles():
    reward = numeric_reward(paper_reward(BigramEncoder(), "bo", 0.1))
    assert reward.__name__ == "composite"
    assert pickle.loads(pickle.dumps(reward))(completions=[T], reference=[T]) == [pytest.approx(2.5)]


class Down:
    fingerprint = "down"

    def encode(self, texts, /):
        raise EncoderUnavailableError("nobody there")


def test_an_outage_leaves_no_row_with_the_language_alone():
    reward = paper_reward(Down(), "en", 0.1, on_error="none")
    assert reward(completions=["yes", "да"], reference=["yes", "yes"]) == [None, None]


def test_a_component_cannot_decide_about_an_outage():
    with pytest.raises(ArgumentError, match="`on_error` belongs to the outermost reward"):
        CompositeReward([(similarity(on_error="none"), 1.5), (LanguageConsistencyReward("bo"), 1.0)])


def test_gates_are_not_lost_in_a_list_of_components():
    parts = [(similarity(), 1.5), (RepetitionGuard(), 1.0)]
    reward = CompositeReward(parts, mode="gate", gates=["repetition"])
    assert reward(completions=[f"{T}།" * 3], reference=[T]) == [0.0]
    with pytest.raises(ArgumentError, match="cannot be taken apart.*pass the composite itself as the one reward"):
        _ = reward.rewards


def test_a_guards_limit_of_numpy_is_in_the_signature():
    one, other = (RepetitionGuard(limit=np.float32(limit)).signature() for limit in (0.1, 0.9))
    assert one != other


@pytest.mark.parametrize("inside", [Answer(tag="a"), Answer(reasoning="keep")])
@pytest.mark.parametrize("changed", [Answer(), Answer(tag="b"), Answer(reasoning="keep")])
def test_a_monitor_takes_another_answer_and_so_does_the_reward_inside(inside, changed):
    reward = MonitoredReward(similarity(answer=inside)).replace(answer=changed)
    assert (reward.answer, reward.reward.answer) == (changed, changed)


def test_a_monitor_takes_another_policy_for_outages_and_so_does_the_reward_inside():
    reward = MonitoredReward(similarity(on_error="none")).replace(on_error="raise")
    assert (reward.on_error, reward.reward.on_error) == ("raise", "raise")


def test_a_new_reward_inside_a_monitor_brings_its_settings():
    reward = MonitoredReward(similarity()).replace(reward=similarity(answer=Answer(tag="a"), on_error="none"))
    assert (reward.answer, reward.on_error) == (Answer(tag="a"), "none")


def test_a_monitor_is_equal_to_its_copy():
    reward = MonitoredReward(similarity(answer=Answer(tag="a")))
    assert reward.replace() == reward


@pytest.mark.parametrize("wrap", [partial, lambda reward: reward.__call__])
def test_a_component_hides_no_setting_behind_a_partial_or_a_method(wrap):
    hidden = LanguageConsistencyReward("en", on_error="none")
    with pytest.raises(ArgumentError, match="`on_error` belongs to the outermost reward"):
        CompositeReward([(wrap(hidden), 1.0)])


def test_a_component_that_edits_messages_changes_nothing_for_the_others():
    def strip(completions, **columns):
        for messages in completions:
            messages[-1]["content"] = "yes"
        return [0.0 for _ in completions]

    reward = CompositeReward([(strip, 0.0), (LanguageConsistencyReward("en"), 1.0)])
    assert reward(completions=[[{"role": "assistant", "content": "yes да"}]]) == [0.0]


@dataclass(frozen=True)
class Cut:
    """A function that finds answers, with a setting."""

    at: object

    def __call__(self, completion):
        return completion


SETTINGS = [(Decimal("0.1"), Decimal("0.9")), (1j, 2j), ({"a": 1}, {"a": 2}), (b"a", b"b"), (Path("a"), Path("b"))]


@pytest.mark.parametrize(("one", "other"), [*SETTINGS, (range(2), range(3))])
def test_a_setting_of_any_kind_is_part_of_the_signature(one, other):
    signatures = {LanguageConsistencyReward("en", answer=Cut(value)).signature() for value in (one, other)}
    assert len(signatures) == 2
