"""The public surface before the library was rewritten: signatures, logged names, YAML keys, commands, bad calls.

`surface.json` holds it. After an intended change, `SEMREWARD_UPDATE=1 pytest tests/frozen/test_frozen_surface.py`
rewrites the file; its diff lists what has changed.
"""

import asyncio
import dataclasses
import importlib
import inspect
import io
import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import cached_property
from inspect import Parameter
from pathlib import Path

import pytest

import semreward
from doubles import BigramEncoder, returning
from frozen import callers
from frozen.bad_calls import BAD_CALLS

FROZEN = Path(__file__).with_name("surface.json")
IS_UPDATED = os.environ.get("SEMREWARD_UPDATE", "0") not in {"", "0"}  # read here, for no call of a test sees it

PUBLIC = {
    "semreward": semreward.__all__,
    "semreward.adaptation": ["AdaptationConfig", "adapt_encoder", "read_pairs"],
    "semreward.evaluation": [
        "bleu_score",
        "chrf_score",
        "cmrc_scores",
        "language_consistency_score",
        "rouge_l_score",
        "similarity_score",
        "token_kl",
        "token_nll",
    ],
    "semreward.testing": ["check_fixtures", "check_reward"],
    "semreward.integrations.areal": ["areal_reward"],
    "semreward.integrations.openrlhf": ["openrlhf_reward"],
    "semreward.integrations.slime": ["slime_reward"],
    "semreward.integrations.swift": ["swift_reward"],
    "semreward.integrations.trl": ["numeric_reward"],
    "semreward.integrations.verifiers": ["rubric_reward", "task_reward"],
    "semreward.integrations.verl": ["verl_reward"],
}
"""Names that stay importable from where they are."""

SPECIAL = {"__call__", "__float__", "__getitem__", "__iter__", "__len__", "__name__", "__str__"}

ROWS = {
    "prompts": ["三个苹果"] * 2 + ["两只猫"] * 2,
    "completions": ["ཀུ་ཤུ་གསུམ།", "苹果", "ཞི་མི་གཉིས།", "ཞི་མི།"],
    "reference": ["ཀུ་ཤུ་གསུམ།"] * 2 + ["ཞི་མི་གཉིས།"] * 2,
    "source": ["三个苹果"] * 2 + ["两只猫"] * 2,
    "tag": ["bo"] * 4,
}
NO_ROW_APPLIES = {**ROWS, "reference": [None] * 4}

COMMANDS = ("score", "calibrate", "audit", "check", "doctor")

EXIT_CODES = [
    "--version",
    "--help",
    "score --help",
    "score rows.jsonl --reward bad_rewards:paper",
    "score rows.jsonl --reward bad_rewards:paper --fast",
    "score nowhere.jsonl --reward bad_rewards:paper",
    "score mixed.jsonl --reward bad_rewards:paper",
    "score rows.jsonl --reward bad_rewards:fails",
    "calibrate rows.jsonl --reward bad_rewards:similarity",
    "calibrate rows.jsonl --reward bad_rewards:paper",
    "audit rows.jsonl --reward bad_rewards:paper",
    "audit rows.jsonl --reward bad_rewards:paper --fail-on empty=beats_weak",
    "audit blank_reference.jsonl --reward bad_rewards:paper",
    "check rows.jsonl --reward bad_rewards:language --no-spawn",
    "check rows.jsonl --reward bad_rewards:length --no-spawn",
    "check --fixtures fixtures.jsonl --reward bad_rewards:language",
    "check --fixtures fixtures.jsonl --reward bad_rewards:length",
    "check --fixtures nowhere.jsonl --reward bad_rewards:language",
]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """A working folder with the files that calls name; what a command puts on the path is gone afterwards."""
    for name, content in callers.FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "1000")  # one line per option of a command's help
    for variable in ("SEMREWARD_UPDATE", "SEMREWARD_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    logging.disable(logging.CRITICAL)  # adapters log what they raise
    yield
    logging.disable(logging.NOTSET)
    sys.modules.pop("bad_rewards", None)


# Signatures.


def signatures():
    """Every public name, and what public functions return, by where it is."""
    found = {}
    for place, names in PUBLIC.items():
        module = importlib.import_module(place)
        for name in names:
            if hasattr(module, name):
                thing = getattr(module, name)
                found[f"{place}.{name}"] = described(thing)
                returned = getattr(thing, "__annotations__", {}).get("return")
                if isinstance(returned, type) and is_ours(returned) and not is_public(returned):
                    found[f"{place}.{name}, what it returns"] = described(returned)
    return found


def is_ours(thing):
    return thing.__module__.partition(".")[0] == "semreward"


def is_public(thing):
    return any(thing.__name__ in names for names in PUBLIC.values())


def described(thing):
    if inspect.isfunction(thing):
        return {"called with": parameters(thing)}
    if not inspect.isclass(thing):
        return "a string" if isinstance(thing, str) else "a type alias"
    if issubclass(thing, Exception):
        return {
            "is also": [base.__name__ for base in thing.__mro__[1:] if base not in {Exception, BaseException, object}]
        }
    about = {"has": members(thing)}
    if not getattr(thing, "_is_protocol", False):
        about["made with"] = parameters(thing)
    return about


def parameters(thing):
    """Parameters with their defaults, and `/` and `*` as in Python; those without an order are sorted."""
    fields = {field.name: field for field in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else {}
    kinds = {kind: [] for kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)}
    variable = {Parameter.VAR_POSITIONAL: "", Parameter.VAR_KEYWORD: ""}
    for name, parameter in inspect.signature(thing).parameters.items():
        default = parameter.default
        if name in fields and fields[name].default_factory is not dataclasses.MISSING:
            default = fields[name].default_factory()
        if parameter.kind in variable:
            variable[parameter.kind] = name
        elif name != "self":
            kinds[parameter.kind].append(name if default is Parameter.empty else f"{name}={rendered(default)}")
    first, either, last = kinds.values()
    rest, others = variable.values()
    star = [f"*{rest}"] if rest or last else []
    return [*first, *(["/"] if first else []), *either, *star, *sorted(last), *([f"**{others}"] if others else [])]


def members(cls):
    """What an instance has beside the parameters that it was made with."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    parameters = {*(field.name for field in fields), *getattr(cls, "_fields", ())}
    found = {field.name: "field" for field in fields if not field.init and not field.name.startswith("_")}
    for base in reversed([base for base in cls.__mro__ if is_ours(base)]):
        for name, value in vars(base).items():
            if name in SPECIAL or not (name.startswith("_") or name in parameters):
                found[name] = member(value)
    return found


def member(value):
    if isinstance(value, (classmethod, staticmethod)):
        return f"{type(value).__name__} {member(value.__func__).replace('cls, ', '')}"
    if inspect.isfunction(value):
        kind = "async " if inspect.iscoroutinefunction(value) else ""
        return f"{kind}({', '.join(parameters(value))})"
    return "property" if isinstance(value, (property, cached_property)) else "attribute"


def rendered(value):
    """A default, the same on every machine."""
    if isinstance(value, (tuple, list)):
        inside = ", ".join(map(rendered, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    if callable(value) and hasattr(value, "__qualname__"):
        return value.__qualname__
    return repr(value.name) if isinstance(getattr(value, "name", None), str) else repr(value)


# Names under which rewards log.


def logged():
    """What each reward logs: metrics, and columns of values per completion."""
    encoder = BigramEncoder()
    similarity = semreward.SemanticSimilarityReward(encoder, threshold=0.3)
    paper = semreward.paper_reward(encoder, "bo", 0.3)
    gated = semreward.recommended_reward(encoder, "bo", 0.3, source_column="source")
    detected = semreward.LanguageConsistencyReward("bo", detector=lambda texts: ["bo" for _ in texts])
    judges = [semreward.ChrfReward(), semreward.LanguageConsistencyReward("bo", name="judge")]
    rewards = {
        "BleuReward": semreward.BleuReward(),
        "ChrfReward": semreward.ChrfReward(),
        "CompositeReward": semreward.CompositeReward([(similarity, 1.0), (returning(1.0, 2.0, 3.0, 4.0), 0.0)]),
        "CompositeReward in a CompositeReward": semreward.CompositeReward([(paper, 1.0)], name="outer"),
        "CompositeReward with a gate": paper.replace(mode="gate", gates=["language_consistency"], name="total_reward"),
        "LanguageConsistencyReward": semreward.LanguageConsistencyReward(None, language_column="tag"),
        "LanguageConsistencyReward with a detector": detected,
        "LengthRatioGuard": semreward.LengthRatioGuard(),
        "MonitoredReward of a composite, with judges": semreward.MonitoredReward(paper, judges=judges),
        "MonitoredReward of a composite with gates": semreward.MonitoredReward(gated),
        "MonitoredReward of one reward": semreward.MonitoredReward(similarity),
        "NumberRecallReward": semreward.NumberRecallReward(),
        "RepetitionGuard": semreward.RepetitionGuard(),
        "RougeLReward": semreward.RougeLReward(),
        "SemanticSimilarityReward": similarity,
        "SemanticSimilarityReward of another name": similarity.replace(name="meaning"),
        "SemanticSimilarityReward that passes faults": similarity.replace(on_error="none"),
        "SourceCopyGuard": semreward.SourceCopyGuard(),
        "paper_reward": paper,
        "recommended_reward": gated,
    }
    found = {name: log_of(reward, ROWS) for name, reward in rewards.items()}
    found["SemanticSimilarityReward where no row applies"] = log_of(
        similarity.replace(on_missing="none"), NO_ROW_APPLIES
    )
    found["CompositeReward.breakdown"] = sorted(paper.breakdown(**ROWS))
    found["CompositeReward.breakdown with a gate"] = sorted(rewards["CompositeReward with a gate"].breakdown(**ROWS))
    verl = callers.verl(paper)("captions", ROWS["completions"][0], ground_truth=ROWS["reference"][0])
    found["verl_reward, what a call returns"] = sorted(asyncio.run(verl))
    openrlhf = callers.openrlhf(paper)(["pa"], ["p"], [ROWS["reference"][0]])
    found["openrlhf_reward, what a call returns"] = [*sorted(openrlhf), *sorted(openrlhf["extra_logs"])]
    return found


def log_of(reward, rows):
    metrics, columns = {}, {}
    reward(**rows, log_metric=metrics.__setitem__, log_extra=columns.__setitem__)
    return {"metrics": sorted(metrics), "columns": sorted(columns)}


# Keys of YAML files.


def yaml_keys():
    """Keys that the recipe and the sweep read, with defaults; without those of TRL's GRPOConfig."""
    recipe, sweep = importlib.import_module("tibetan.arguments"), importlib.import_module("tables.sweep")
    parts = [field.type for field in dataclasses.fields(recipe.Settings) if field.type is not recipe.GRPOConfig]
    return {
        "recipe": {
            "extends": "another file",
            **{name: value for part in parts for name, value in defaults(part).items()},
        },
        "sweep": {"extends": "another file", **defaults(sweep.Sweep)},
        "costs of the sweep": dict.fromkeys(sorted({"machine", *sweep.UNITS}), "required"),
    }


def defaults(cls):
    found = {}
    for field in dataclasses.fields(cls):
        made = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        found[field.name] = "required" if made is dataclasses.MISSING else rendered(made)
    return found


# The command line.


def commands():
    """Each command's options with their defaults, and how commands end."""
    return {
        "options": {command: options(command) for command in COMMANDS},
        "exit codes": {line: exit_code(line) for line in EXIT_CODES},
    }


def options(command):
    written = io.StringIO()
    with redirect_stdout(written), pytest.raises(SystemExit):
        importlib.import_module("semreward.cli").main([command, "--help"])
    lines = re.findall(r"^\W*(--[a-z-]+)(.*)$", written.getvalue(), re.MULTILINE)
    stated = {option: re.search(r"default: ([^\s)\];]+)", text) for option, text in lines}
    return {option: default[1] if default else "" for option, default in stated.items()}


def exit_code(line):
    try:
        callers.cli(*line.split())
    except callers.ExitError as end:
        return end.code
    return 0


# Bad calls.


def bad_calls():
    """What comes of each bad call."""
    return {
        group: {call: outcome(call, blamed)[0] for call, blamed in calls.items()} for group, calls in BAD_CALLS.items()
    }


def outcome(call, blamed):
    """Type of a call's exception and whether its message names what is to blame, and the message."""
    try:
        eval(call, vars(callers))  # noqa: S307 - calls of our own table
    except (NameError, SyntaxError):
        raise  # the table is wrong
    except Exception as error:  # noqa: BLE001 - whatever it is gets written down
        return verdict(error, str(error), blamed), str(error)
    return "accepted", ""


def verdict(error, message, blamed):
    name, row = re.fullmatch(r"(.*?) ?(?:row (\d+))?", blamed).groups()
    parts = [f"exit {error.code}" if isinstance(error, callers.ExitError) else type(error).__name__]
    if name:
        argument = name.removeprefix("--").replace("-", "_")
        is_named = f"`{argument}`" in message or (name in message and not name.isidentifier())
        parts.append(f"{'names' if is_named else 'does not name'} {name}")
    if row:
        is_named = re.search(rf"\b(row|line|position|place|index) {row}\b", message)
        parts.append(f"{'at' if is_named else 'not at'} row {row}")
    return ", ".join(parts)


# The comparison.

SECTIONS = {"bad calls": bad_calls, "commands": commands, "logged": logged, "signatures": signatures, "yaml": yaml_keys}


def differences(frozen, found, *path):
    """What has changed, a line each."""
    place = " > ".join(path)
    if isinstance(frozen, Mapping) and isinstance(found, Mapping):
        for key in sorted({*frozen, *found}):
            if key not in found:
                yield f"{place} > {key} is gone; it was {shown(frozen[key])}"
            elif key not in frozen:
                yield f"{place} > {key} is new: {shown(found[key])}"
            else:
                yield from differences(frozen[key], found[key], *path, key)
    elif frozen != found:
        if isinstance(frozen, list) and isinstance(found, list) and set(frozen) != set(found):
            gone = [item for item in frozen if item not in found]
            new = [item for item in found if item not in frozen]
            yield f"{place}: {shown(gone)} gone, {shown(new)} new"
        else:
            yield f"{place}: was {shown(frozen)}; is {shown(found)}"
        if path[0] == "bad calls":
            message = outcome(path[2], BAD_CALLS[path[1]][path[2]])[1].strip()
            yield f"    it says: {message.rpartition(chr(10))[2] or 'nothing'}"


def shown(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_surface_is_the_frozen_one(section):
    found = json.loads(json.dumps(SECTIONS[section]()))
    frozen = json.loads(FROZEN.read_text(encoding="utf-8")) if FROZEN.exists() else {}
    if IS_UPDATED:
        frozen[section] = found
        FROZEN.write_text(json.dumps(frozen, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    changed = list(differences(frozen.get(section, {}), found, section))
    assert not changed, "\n".join(["the public surface has changed:", *changed])


def test_every_public_name_has_bad_calls():
    called = {re.split("[,.]", group)[0] for group in BAD_CALLS}
    names = {name for names in PUBLIC.values() for name in names}
    uncallable = {"CalibrationMismatchWarning", "RewardFunction", "SemRewardError", "SemRewardWarning", "__version__"}
    assert names - called == uncallable
