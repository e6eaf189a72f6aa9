"""Which reward a command line means."""

import importlib
import inspect
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from semreward.calibration import Calibration
from semreward.cli.rows import is_file
from semreward.encoders.local import SentenceTransformerEncoder
from semreward.errors import ArgumentError, ArgumentTypeError, SemRewardError
from semreward.protocols import RewardFunction
from semreward.rewards.recipes import paper_reward, recommended_reward
from semreward.rewards.similarity import SemanticSimilarityReward
from semreward.testing.checking import argument_of

_OF_ENCODER = ("--language", "--threshold", "--recommended", "--source-column")
_OFFERED = 10


def reward_of(options: Namespace, *, own_language: bool = False) -> RewardFunction:
    """The reward that `--reward` names, or that `--encoder` and what goes with it describe; its encoder is loaded.

    Args:
        options: The parsed command line.
        own_language: Whether `--language` has a meaning of its own, and so may stand beside `--reward`.

    Raises:
        ArgumentError: Options do not go together, or name nothing that can be loaded.
        ArgumentTypeError: `--reward` names something that is no reward function.
    """
    if options.reward is not None:
        given = [name for name in _OF_ENCODER if _value(options, name) and not (own_language and name == "--language")]
        if given:
            raise ArgumentError(
                f"{given[0]} goes with --encoder, got it with --reward; set it where the reward is made"
            )
        return named_reward(options.reward)
    for name in ("--language", "--threshold"):
        if _value(options, name) is None:
            raise ArgumentError(f"--encoder needs {name}; for a reward without, name it by --reward")
    if options.source_column and not options.recommended:
        raise ArgumentError("--source-column goes with --recommended; paper_reward does not look at the source")
    encoder = SentenceTransformerEncoder(options.encoder)
    arguments: tuple[Any, ...] = (encoder, options.language, threshold_of(options.threshold))
    if options.recommended:
        source = options.source_column and argument_of(options.source_column)
        reward = recommended_reward(*arguments, source_column=source)
    else:
        reward = paper_reward(*arguments)
    _load(encoder)
    return reward


def similarity_of(options: Namespace) -> SemanticSimilarityReward:
    """The reward that `calibrate` is about, with its encoder loaded where `--encoder` names it.

    Raises:
        ArgumentError: As `reward_of` raises it.
        ArgumentTypeError: `--reward` names another kind of reward.
    """
    if options.reward is None:
        encoder = SentenceTransformerEncoder(options.encoder)
        _load(encoder)
        return SemanticSimilarityReward(encoder, threshold=0.0)
    reward = named_reward(options.reward)
    if not isinstance(reward, SemanticSimilarityReward):
        raise ArgumentTypeError(
            f"--reward must be a SemanticSimilarityReward to calibrate it, got {type(reward).__name__}; of a "
            "composite, name that component"
        )
    return reward


def threshold_of(text: str) -> float | Calibration:
    """A threshold: a number, or the path of a saved calibration.

    Example:
        >>> threshold_of("0.55")
        0.55
    """
    try:
        return float(text)
    except ValueError:
        if not is_file(text):
            raise ArgumentError(
                f"--threshold must be a number or the file of a calibration, got {text[:80]!r}"
            ) from None
        return Calibration.load(text)


def named_reward(target: str) -> RewardFunction:
    """The reward function that `module:attribute` or `path/to/file.py:attribute` names.

    Modules are found as `python -m` finds them, in the working folder first. A file is imported as a module of its
    name, in its package if it is in one, with its folder on the path, so that it finds its neighbours, and new
    processes find it.

    Raises:
        ArgumentError: The form is another one, or there is no such module, file or attribute.
        ArgumentTypeError: It is not callable, a class, or takes no `completions`.
    """
    place, colon, attribute = target.rpartition(":")
    if not (place and colon and attribute):
        raise ArgumentError(f"--reward must be module:attribute or path/to/file.py:attribute, got {target!r}")
    found: Any = _module_of_file(Path(place)) if place.endswith(".py") else _module(place)
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise ArgumentError(f"--reward names {attribute!r}, which {place} does not have; {_offered(found)}")
        found = getattr(found, name)
    if isinstance(found, type):
        raise ArgumentTypeError(
            f"--reward must be a reward, got the class {attribute!r}; make one in a module, and name that: "
            f"reward = {attribute}(...)"
        )
    if not callable(found):
        raise ArgumentTypeError(f"--reward must name something callable, got {type(found).__name__} {attribute!r}")
    if not _takes_completions(found):
        raise ArgumentTypeError(
            f"--reward must take `completions`, and {attribute!r} does not; if it makes a reward, call it in a module, "
            f"and name what it makes: reward = {attribute}(...)"
        )
    return found  # type: ignore[no-any-return] # callable is all that can be known


def _takes_completions(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind_partial(completions=[])
    except TypeError:
        return False
    except ValueError:  # no signature is known
        return True
    return True


def _module(name: str) -> ModuleType:
    _on_path(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there, and misses another one
        raise ArgumentError(
            f"--reward names the module {name!r}, and there is no {error.name!r} in this folder or among the installed "
            "packages; correct it, or give a file: path/to/file.py:attribute"
        ) from error
    except (TypeError, ValueError) as error:  # relative and empty names
        raise ArgumentError(f"--reward must name a module, got {name!r}: {error}") from error


def _module_of_file(path: Path) -> ModuleType:
    if not is_file(str(path)):
        raise ArgumentError(f"--reward names the file {str(path)!r}, which does not exist; correct the path")
    if "." in path.stem:
        raise ArgumentError(f"--reward must name a file without a further dot, got {path.name!r}; rename it")
    folder, name = path.resolve().parent, path.stem
    _on_path(folder)
    while (folder / "__init__.py").is_file():
        folder, name = folder.parent, f"{folder.name}.{name}"
    _on_path(folder)
    module = importlib.import_module(name)
    if not (module.__file__ and path.samefile(module.__file__)):
        raise ArgumentError(
            f"--reward names the file {str(path)!r}, but another module is called {name!r} "
            f"({module.__file__ or 'built in'}); rename the file"
        )
    return module


def _on_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _offered(thing: object) -> str:
    names = [name for name, value in vars(thing).items() if not name.startswith("_") and _is_own(value, thing)]
    return f"it has {', '.join(names[:_OFFERED])}" if names else "it has nothing to call"


def _is_own(value: object, module: object) -> bool:
    """Whether something in a module can be called, and is neither a class nor a function of another module."""
    if isinstance(value, FunctionType):
        return value.__module__ == getattr(module, "__name__", None)
    return callable(value) and not isinstance(value, type)


def _value(options: Namespace, name: str) -> Any:
    return getattr(options, name.removeprefix("--").replace("-", "_"))


def _load(encoder: SentenceTransformerEncoder) -> None:
    """Load an encoder now: whatever the libraries raise for a model that is none, or not there, is wrong input."""
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
