"""docs/trainers.md: its modules work as they stand, given modules that stand in for the trainers they import."""

import asyncio
import importlib
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from integrations.rewards import BO
from semreward import LanguageConsistencyReward

PAGE = (Path(__file__).parents[2] / "docs" / "trainers.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```python title=(\S+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
PROMPT = "<|im_start|>user\n红色的房子<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Import a file of the page, with a reward that needs no encoder."""
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    swift, verifiers = ModuleType("swift.rewards"), ModuleType("verifiers")
    swift.orms, verifiers.Rubric = {}, lambda funcs: SimpleNamespace(funcs=funcs)
    stand_ins = {"swift": ModuleType("swift"), "swift.rewards": swift, "verifiers": verifiers}
    stand_ins["my_reward"] = SimpleNamespace(reward=LanguageConsistencyReward("bo"))
    for name, module in stand_ins.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module
    for name in FILES:
        sys.modules.pop(name.removesuffix(".py"), None)


def test_the_reward_of_the_page_can_be_built(load, monkeypatch):
    monkeypatch.delitem(sys.modules, "my_reward")
    assert load("my_reward").reward.bounds == (0.0, 2.5)


def test_the_module_for_verl(load):
    function = load("my_reward_verl").compute_score
    assert inspect.iscoroutinefunction(function)
    assert asyncio.run(function("captions", BO, BO, {}))["score"] == 1.0


def test_the_module_for_openrlhf(load):
    found = load("my_reward_openrlhf").reward_func([PROMPT + BO + "<|im_end|>"], [PROMPT], [BO])
    assert found["rewards"].tolist() == [1.0]


def test_the_module_for_swift(load):
    load("my_reward_swift")
    assert sys.modules["swift.rewards"].orms["semantic"](args=None)([BO]) == [1.0]


def test_the_module_for_a_rubric(load):
    (function,) = load("my_environment").rubric.funcs
    assert asyncio.run(function(completion=BO, answer=BO)) == 1.0


def test_the_hooks_of_a_task(load):
    function = load("my_hooks").language
    assert asyncio.run(function(SimpleNamespace(answer=BO), SimpleNamespace(last_reply=BO))) == 1.0


def test_the_module_for_slime(load):
    sample = SimpleNamespace(prompt="?", response=BO, label=BO, metadata={})
    assert asyncio.run(load("my_reward_slime").custom_rm(SimpleNamespace(reward_key=None), sample)) == 1.0


def test_the_module_for_areal(load):
    assert load("my_reward_areal").reward_fn("?", BO, [1], [2], answer=BO) == 1.0
