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
from semreward.rewards.recipes import paper_reward, recommended_reward
from semreward.rewards.similarity import SemanticSimilarityReward
from semreward.testing.checking import argument_of
from semreward.text import Answer


def reward_of(options: Namespace) -> RewardFunction:
    """The reward of `--reward`, or that of `--encoder`, which is loaded."""
    if options.reward is not None:
        of_encoder = {
            "--language": options.command != "audit" and options.language,
            "--threshold": options.threshold,
            "--recommended": options.recommended,
            "--source-column": options.source_column,
            "--reasoning": options.reasoning != "remove",
        }
        if given := [name for name, value in of_encoder.items() if value]:
            raise ArgumentError(f"{given[0]} goes with --encoder, not with --reward; set it where the reward is made")
        return named_reward(options.reward)
    for name in ("language", "threshold"):
        if getattr(options, name) is None:
            raise ArgumentError(f"--encoder needs --{name}; for a reward without, name it by --reward")
    if options.source_column and not options.recommended:
        raise ArgumentError("--source-column goes with --recommended; paper_reward does not look at the source")
    encoder = SentenceTransformerEncoder(options.encoder)
    threshold: Any = number_or_text(options.threshold)
    if isinstance(threshold, str):
        if not is_file(threshold):
            raise ArgumentError(f"--threshold must be a number or the file of a calibration, got {threshold[:80]!r}")
        threshold = Calibration.load(threshold)
    answer = Answer(options.reasoning)
    if options.recommended:
        source = options.source_column and argument_of(options.source_column)
        reward = recommended_reward(encoder, options.language, threshold, source_column=source, answer=answer)
    else:
        reward = paper_reward(encoder, options.language, threshold, answer=answer)
    load(encoder)
    if isinstance(threshold, Calibration):
        threshold.check(encoder)
    return reward


def similarity_of(options: Namespace) -> SemanticSimilarityReward:
    """The reward to calibrate; its encoder is not loaded."""
    if options.reward is None:
        encoder = SentenceTransformerEncoder(options.encoder)
        return SemanticSimilarityReward(encoder, threshold=0.0, answer=Answer(options.reasoning))
    reward = named_reward(options.reward)
    if not isinstance(reward, SemanticSimilarityReward):
        raise ArgumentTypeError(
            f"--reward must be a SemanticSimilarityReward to calibrate it, got {type(reward).__name__}; of a "
            "composite, name that component"
        )
    return reward


def number_or_text(text: str) -> Any:
    """The number that a text is, or the text."""
    try:
        return float(text)
    except ValueError:
        return text


def named_reward(target: str) -> RewardFunction:
    """The reward function that `module:attribute` or `path/to/file.py:attribute` names.

    Modules are found in the working folder first. A file is imported under its name, in its package if it is in one,
    with its folder on the path: it finds its neighbours, and new processes find it.
    """
    module, colon, attribute = target.rpartition(":")
    if not (module and colon and attribute):
        raise ArgumentError(f"--reward must be module:attribute or path/to/file.py:attribute, got {target!r}")
    found: Any = _module_of_file(Path(module)) if module.endswith(".py") else _module(module, Path.cwd())
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise ArgumentError(f"--reward names {attribute!r}, which {module} does not have; correct the name")
        found = getattr(found, name)
    if isinstance(found, type) or not callable(found) or not _takes_completions(found):
        kind = "a class" if isinstance(found, type) else type(found).__name__
        raise ArgumentTypeError(
            f"--reward must name a function that takes `completions`, got {kind} {attribute!r}; if it makes a reward, "
            f"call it in a module, and name the result: reward = {attribute}(...)"
        )
    return found  # type: ignore[no-any-return] # callable is all that can be known


def _takes_completions(function: Any) -> bool:
    try:
        inspect.signature(function).bind_partial(completions=[])
    except TypeError:
        return False
    except ValueError:  # the signature is not known
        return True
    return True


def _module_of_file(path: Path) -> Any:
    if not is_file(path):
        raise ArgumentError(f"--reward names the file {str(path)!r}, which does not exist; correct the path")
    if "." in path.stem:
        raise ArgumentError(f"--reward must name a file without a further dot, got {path.name!r}; rename it")
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
    if name.startswith("."):
        raise ArgumentError(f"--reward must name a module, got {name!r}; leave out the dot")
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there, and misses another one
        raise ArgumentError(
            f"--reward names the module {name!r}, and there is no {error.name!r} in this folder or among the installed "
            "packages; correct it, or give a file: path/to/file.py:attribute"
        ) from error


def load(encoder: Any) -> None:
    """Load an encoder now: whatever the libraries raise for a wrong model is wrong input."""
    try:
        encoder.warmup()
    except SemRewardError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ArgumentError(
            f"--encoder must be a folder with a model or a hub id, and {encoder.name_or_path!r} cannot be loaded: "
            f"{reason}; --traceback says more"
        ) from error
