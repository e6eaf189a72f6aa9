"""The reward that a command line names."""

import importlib
import inspect
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from semreward.calibration import Calibration
from semreward.encoders.local import SentenceTransformerEncoder
from semreward.errors import ArgumentError, ArgumentTypeError, SemRewardError
from semreward.files import is_file
from semreward.protocols import RewardFunction
from semreward.rewards.recipes import paper_reward
from semreward.rewards.similarity import SemanticSimilarityReward
from semreward.text import Answer


def reward_of(options: Namespace) -> RewardFunction:
    """The reward of `--reward`, or that of `--encoder`, which is loaded."""
    if options.reward is not None:
        return _only_named(options, "threshold", *(() if options.command == "audit" else ("language",)))
    for name in ("language", "threshold"):
        if getattr(options, name) is None:
            raise ArgumentError(f"--encoder needs --{name}; for a reward without, name it by --reward")
    encoder = SentenceTransformerEncoder(options.encoder)
    threshold: Any = number_or_text(options.threshold)
    if isinstance(threshold, str):
        if not is_file(threshold):
            raise ArgumentError(f"--threshold must be a number or the file of a calibration, got {threshold[:80]!r}")
        threshold = Calibration.load(threshold)
    reward = paper_reward(encoder, options.language, threshold, answer=Answer(tag=options.answer_tag))
    load(encoder)
    if isinstance(threshold, Calibration):
        threshold.check(encoder)
    return reward


def similarity_of(options: Namespace) -> SemanticSimilarityReward:
    """The reward to calibrate; its encoder is not loaded."""
    if options.reward is None:
        encoder = SentenceTransformerEncoder(options.encoder)
        return SemanticSimilarityReward(encoder, threshold=0.0, answer=Answer(tag=options.answer_tag))
    reward = _only_named(options)
    if not isinstance(reward, SemanticSimilarityReward):
        kind = type(reward).__name__
        raise ArgumentTypeError(f"--reward must be a SemanticSimilarityReward to calibrate it, got {kind}")
    return reward


def _only_named(options: Namespace, *names: str) -> RewardFunction:
    for name in ("answer_tag", *names):
        if getattr(options, name) is not None:
            option = name.replace("_", "-")
            raise ArgumentError(f"--{option} goes with --encoder, not with --reward; set it where the reward is made")
    return named_reward(options.reward)


def number_or_text(text: str) -> Any:
    """The number that a text is, or the text."""
    try:
        return float(text)
    except ValueError:
        return text


def named_reward(target: str) -> RewardFunction:
    """The reward function that `module:attribute` or `path/to/file.py:attribute` names."""
    module, _, attribute = target.rpartition(":")
    is_file_name = module.endswith(".py")
    if not (module and attribute) or (module.startswith(".") and not is_file_name):
        raise ArgumentError(f"--reward must be module:attribute or path/to/file.py:attribute, got {target!r}")
    found: Any = _module_of_file(Path(module)) if is_file_name else _module(module, Path.cwd())
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise ArgumentError(f"--reward names {attribute!r}, which {module} does not have; correct the name")
        found = getattr(found, name)
    try:
        inspect.signature(found).bind_partial(completions=[])
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(
            f"--reward must name a function that takes `completions`, got {type(found).__name__} {attribute!r}; if it "
            f"makes a reward, call it in a module, and name the result: reward = {attribute}(...)"
        ) from error
    return found  # type: ignore[no-any-return] # callable is all that can be known


def _module_of_file(path: Path) -> Any:
    """A file's module, in its package if it is in one: it finds its neighbours, and new processes find it."""
    if not is_file(path):
        raise ArgumentError(f"--reward names the file {str(path)!r}, which does not exist; correct the path")
    folder, name = path.resolve().parent, path.stem
    while (folder / "__init__.py").is_file():
        folder, name = folder.parent, f"{folder.name}.{name}"
    module = _module(name, folder)
    if not (module.__file__ and path.samefile(module.__file__)):
        raise ArgumentError(
            f"--reward names the file {str(path)!r}, but another module is called {name!r} "
            f"({module.__file__ or 'built in'}); rename the file"
        )
    return module


def _module(name: str, folder: Path) -> Any:
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there, and misses another one
        raise ArgumentError(
            f"--reward names the module {name!r}, and there is no {error.name!r} in this folder or installed; "
            "correct it, or give a file: path/to/file.py:attribute"
        ) from error


def load(encoder: Any) -> None:
    """Load an encoder; library errors about a wrong model become wrong input."""
    try:
        encoder.warmup()
    except SemRewardError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ArgumentError(
            f"--encoder must be a folder with a model or a hub id; {encoder.name_or_path!r} cannot be loaded: {reason}"
        ) from error
