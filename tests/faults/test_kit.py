"""What the conformance kit once let pass: rewards that end the process, or change what others in it rely on."""

import asyncio
import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from conformance import broken, misbehaving
from conformance.conftest import unchanged_process  # noqa: F401 - a fixture
from semreward.errors import ContractError
from semreward.testing import check_fixtures, check_reward

ENDS = [SystemExit(0), SystemExit(), GeneratorExit(), asyncio.CancelledError()]


class AwaitsItsEnd(misbehaving.Ends):
    async def __call__(self, **arguments):
        await asyncio.sleep(0)
        raise self.error


def checked(reward, **options):
    return check_reward(reward, broken.EXAMPLES, **{"spawn": False, **options})


def message_of(report, name):
    return next(result.message for result in report.results if result.name == name)


def failed(report):
    return {result.name for result in report.with_status("failed")}


@pytest.mark.parametrize("error", ENDS, ids=repr)
@pytest.mark.parametrize("kind", [misbehaving.Ends, AwaitsItsEnd])
def test_a_reward_that_ends_the_process_fails(kind, error):
    report = checked(kind(error))
    message = f"it raised {type(error).__name__}: {error}, which ends the process; raise an Exception instead"
    assert message in message_of(report, "called_by_keyword")


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit()], ids=repr)
def test_a_reward_that_ends_the_process_at_an_empty_answer_fails(error):
    assert "hostile_texts" in failed(checked(misbehaving.EndsForBlank(error)))


def test_an_error_that_is_asked_for_does_not_end_the_process():
    def leaves(completions, reference=None, **columns):
        if reference is None:
            raise SystemExit("no `reference`")
        return broken.sound_function(completions, reference)

    assert "it raised SystemExit: no `reference`" in message_of(checked(leaves), "missing_column")


def test_a_reward_that_ends_other_processes_fails():
    report = checked(misbehaving.EndsOtherProcesses(), spawn=True)
    assert failed(report) == {"spawned_process"}
    assert "it ended with status 0" in message_of(report, "spawned_process")


def test_an_interrupt_passes_through():
    def interrupted(completions, **columns):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checked(interrupted)


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit()], ids=repr)
@pytest.mark.parametrize("expected", ["0.5", '"SystemExit"'])
def test_a_row_of_fixtures_that_ends_the_process_fails(tmp_path, error, expected):
    file = tmp_path / "fixtures.jsonl"
    file.write_text(f'{{"completion": "a", "reference": "b", "expected": {expected}}}\n')
    report = check_fixtures(misbehaving.Ends(error), file)
    assert f"ended the process with {type(error).__name__}" in report.results[0].message
    with pytest.raises(ContractError):
        report.raise_on_failure()


SETTINGS = {
    "gradients off": "torch.is_grad_enabled()",
    "gradients on": "torch.is_grad_enabled()",
    "half precision": "torch.get_default_dtype()",
    "one thread": "torch.get_num_threads()",
    "environment": "os.environ",
    "numpy errors": "np.geterr()",
    "logging": "logging.disable()",
    "folder": "os.getcwd()",
}


@pytest.mark.parametrize(("what", "setting"), SETTINGS.items(), ids=SETTINGS)
@pytest.mark.usefixtures("unchanged_process")
def test_a_changed_setting_is_named(what, setting):
    report = checked(misbehaving.Meddles(what))
    assert f"but {setting} was another one after the call" in message_of(report, "process_settings")


@pytest.mark.parametrize(("what", "generator"), {"random": "random", "numpy": "numpy.random", "torch": "torch"}.items())
@pytest.mark.usefixtures("unchanged_process")
def test_a_reseeded_generator_is_named(what, generator):
    report = checked(misbehaving.Meddles(what))
    assert f"but {generator} gave the same number after two calls" in message_of(report, "random_generators")


def test_a_reward_may_draw_and_put_back_what_it_changes():
    def tidy(completions, reference, **columns):
        random.random()
        np.random.random()  # noqa: NPY002 - the generator that all share
        state = torch.get_rng_state()
        torch.manual_seed(7)
        torch.set_rng_state(state)
        with torch.no_grad():
            return broken.sound_function(completions, reference)

    assert failed(checked(tidy)) == {"pickles"}


def test_what_the_first_call_imports_may_set_variables(monkeypatch):
    monkeypatch.delenv("CONFORMANCE_VARIABLE", raising=False)

    class Loads(broken.Sound):
        loaded = False

        def finish(self, values):
            if not type(self).loaded:
                type(self).loaded = True
                monkeypatch.setenv("CONFORMANCE_VARIABLE", "1")
            return values

    assert "process_settings" not in failed(checked(Loads()))


def test_the_kit_leaves_the_process_as_it_was():
    def settings():
        return (
            dict(os.environ),
            Path.cwd(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.get_num_threads(),
        )

    before = settings()
    checked(broken.Sound())
    assert settings() == before
