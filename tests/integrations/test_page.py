"""docs/trainers.md: its modules work as they stand, given modules that stand in for the trainers they import."""

import asyncio
import importlib
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from embedding_server import embedding_server
from integrations.rewards import BO, OTHER_BO
from semreward import LanguageConsistencyReward
from semreward.errors import EncoderError

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


def test_the_environment_for_trl(load):
    environment = load("my_environment_trl").Translation()
    environment.reset(reference=BO, prompt="?")
    assert environment.get_reward() == 0.0
    environment.submit(BO)
    assert environment.get_reward() == 1.0


def test_the_module_for_verl(load):
    function = load("my_reward_verl").compute_score
    assert inspect.iscoroutinefunction(function)
    assert asyncio.run(function("captions", BO, BO, {}))["score"] == 1.0


def sample_of(state, answer):
    """What verl passes for a sample when it hosts a model: `state` is the server behind its router."""
    return {
        "data_source": "captions",
        "solution_str": answer,
        "ground_truth": BO,
        "extra_info": {},
        "reward_router_address": state.base_url.removeprefix("http://").removesuffix("/v1"),
        "reward_model_tokenizer": object(),
    }


async def scored(function, samples):
    """The samples, all under way at once, as in verl's worker; errors are among the results."""
    return await asyncio.gather(*(function(**sample) for sample in samples), return_exceptions=True)


def test_the_module_for_an_encoder_that_verl_hosts(load):
    function = load("my_reward_verl_router").compute_score
    assert inspect.iscoroutinefunction(function)
    with embedding_server() as state:
        (row,) = asyncio.run(scored(function, [sample_of(state, BO)]))
    assert row["score"] == pytest.approx(2.5)
    assert {(request.path, request.body["model"]) for request in state.requests} == {("/v1/embeddings", "encoder")}


def test_samples_that_verl_has_under_way_share_requests_to_its_router(load):
    function = load("my_reward_verl_router").compute_score
    with embedding_server(delay_s=0.05) as state:
        asyncio.run(scored(function, [sample_of(state, f"{BO} {number}") for number in range(32)]))
    assert sum(state.sizes) == 33
    assert len(state.requests) <= 8


def test_each_router_of_verl_gets_the_requests_of_its_samples(load):
    function = load("my_reward_verl_router").compute_score
    with embedding_server() as one, embedding_server() as other:
        asyncio.run(scored(function, [sample_of(one, BO), sample_of(other, OTHER_BO)]))
    assert [text for request in one.requests for text in request.body["input"]] == [BO]
    assert OTHER_BO in [text for request in other.requests for text in request.body["input"]]


def refuse_long_texts(request):
    """Verl's router turns the 400 of its servers into a 500."""
    return (500, {}, b"Internal Server Error") if any(len(text) > 100 for text in request.body["input"]) else None


def test_a_text_that_the_server_behind_verls_router_refuses_is_an_error_of_its_sample(load):
    function = load("my_reward_verl_router").compute_score
    with embedding_server(respond=refuse_long_texts) as state:
        good, bad = asyncio.run(scored(function, [sample_of(state, BO), sample_of(state, BO * 20)]))
    assert good["score"] == pytest.approx(2.5)
    with pytest.raises(EncoderError, match="answered 500 Internal Server Error for the text"):
        raise bad


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
