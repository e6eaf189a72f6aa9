"""Exceptions and warnings: each is a `SemRewardError` and also the built-in exception that fits."""

import importlib
from typing import Any


class SemRewardError(Exception):
    """Base of every exception that semreward raises on purpose."""


class ArgumentError(SemRewardError, ValueError):
    """An argument, a column or a row breaks the rule that the message names."""


class ArgumentTypeError(SemRewardError, TypeError):
    """An argument or a row has the wrong type."""


class MissingColumnError(ArgumentError):
    """A reward needs a column that the call did not carry."""


class UnknownLanguageError(ArgumentError, LookupError):
    """No script is known for a language tag, or a script code is not in ISO 15924."""


class EncoderNotFoundError(SemRewardError, FileNotFoundError):
    """A local encoder path does not exist or holds no model."""


class EncoderError(SemRewardError, RuntimeError):
    """An encoder did not return one unit vector per text, or refuses a text."""


class UnreadableTextError(EncoderError):
    """An encoder's tokenizer cannot read a text: every token is unknown."""


class EncoderUnavailableError(SemRewardError, ConnectionError):
    """An encoder behind a server gave no vectors in time."""


EncodingError = EncoderError | EncoderUnavailableError  # why a text has no vector


class ChatError(SemRewardError, RuntimeError):
    """A chat model's server refuses a request, or sends something other than an answer."""


class ChatUnavailableError(SemRewardError, ConnectionError):
    """A chat model's server gave no answer in time, or asks to come back later."""


class TrainingDivergedError(SemRewardError, ArithmeticError):
    """The loss of an encoder's training became infinite or NaN; the message names the step."""


class RewardOutputError(SemRewardError, ValueError):
    """A reward function returned something other than one finite float or `None` per completion."""


class ContractError(SemRewardError, AssertionError):
    """A reward breaks the reward contract; raised by `semreward.testing`."""


class MissingDependencyError(SemRewardError, ImportError):
    """An optional library is not installed; the message carries the command that installs it."""


def library(name: str, install: str) -> Any:
    """An optional library or its module; without it, a `MissingDependencyError` with the command that installs it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != (package := name.partition(".")[0]):
            raise  # the library is there, and something that it needs is not
        raise MissingDependencyError(f"{package} is not installed; pip install '{install}'") from error


class SemRewardWarning(UserWarning):
    """A likely mistake with a defined result."""


class CalibrationMismatchWarning(SemRewardWarning):
    """A threshold was not calibrated with the encoder that judges."""
