"""`semreward score`: what a reward pays each row of a file."""

from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import chain
from typing import Any, NoReturn, TextIO

import numpy as np
from numpy.typing import NDArray

from semreward.cli.output import ReaderGoneError, check_target, opened, say
from semreward.cli.rewards import reward_of
from semreward.cli.rows import Row, batches, located, name_of, rendered, rows_of
from semreward.errors import (
    ArgumentError,
    EncoderNotFoundError,
    EncoderUnavailableError,
    MissingDependencyError,
    SemRewardError,
)
from semreward.rewards.composite import CompositeReward
from semreward.testing.checking import RESERVED_COLUMNS, argument_of, is_completion

_REWARDS = "rewards"
_REFUSED = RESERVED_COLUMNS | {_REWARDS}

# What no other rows would change, and waiting might make expensive.
_OF_NO_ROW = (EncoderUnavailableError, EncoderNotFoundError, MissingDependencyError)

_QUANTILES = (10, 50, 90)

Values = Mapping[str, NDArray[np.float64]]


def run(options: Namespace, stdout: TextIO) -> int:
    """Score all rows; what was scored before an error is written."""
    check_target(options.out, options)
    rows = _scorable(rows_of(options.file, options.column, needed=("completion",)), options.file)
    first = next(rows)  # a wrong file shows before an encoder is loaded
    reward = reward_of(options)
    scorer = _Scorer(reward if isinstance(reward, CompositeReward) else CompositeReward([(reward, 1.0)]), options.file)
    found: defaultdict[str, list[NDArray[np.float64]]] = defaultdict(list)
    with opened(options.out, stdout) as write:
        try:
            for batch in batches(chain([first], rows), options.batch_size):
                for scored, values in scorer.scored(batch):
                    write("".join(_line(row, values, place) for place, row in enumerate(scored)))
                    for name, column in values.items():
                        found[name].append(column)
        except ReaderGoneError:
            found.clear()
            raise
        finally:
            if found:
                say(_summary({name: np.concatenate(columns) for name, columns in found.items()}))
    return 0


class _Scorer:
    """Calls a reward on the rows of a file, and knows how far it has come.

    A batch that fails is halved until the row is found that fails alone, so that all rows before it are scored.
    """

    def __init__(self, reward: CompositeReward, source: str) -> None:
        self._reward = reward
        self._source = source
        self._done = 0
        self._columns: dict[str, None] = {}  # of all rows so far, in order

    def scored(self, batch: Sequence[Row]) -> Iterator[tuple[Sequence[Row], Values]]:
        """The rows with what each component says, in one piece or in several."""
        self._columns.update(dict.fromkeys(name for row in batch for name in row))
        yield from self._pieces(batch)

    def _pieces(self, batch: Sequence[Row]) -> Iterator[tuple[Sequence[Row], Values]]:
        values = self._attempt(batch)
        if not isinstance(values, BaseException):
            self._done += len(batch)
            yield batch, values
            return
        if len(batch) == 1:
            self._raise(values)
        first, last, half = self._done + 1, self._done + len(batch), len(batch) // 2
        yield from self._pieces(batch[:half])
        yield from self._pieces(batch[half:])
        say(f"semreward: warning: rows {first} to {last} failed together ({values!r}), but not in smaller batches")

    def _attempt(self, batch: Sequence[Row]) -> Values | BaseException:
        """What the components say, or why they do not."""
        try:
            return self._reward.breakdown(**self._arguments(batch))
        except _OF_NO_ROW:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - raised again, by the row that raises it alone
            return error

    def _arguments(self, batch: Sequence[Row]) -> dict[str, Any]:
        """The columns of a call, which may change them: the rows are still to be written."""
        return {argument_of(name): [deepcopy(row.get(name)) for row in batch] for name in self._columns}

    def _raise(self, error: BaseException) -> NoReturn:
        if isinstance(error, SemRewardError):
            raise located(error, self._source, first=self._done) from error
        say(f"semreward: the reward failed at row {self._done + 1} of {name_of(self._source)}:")
        raise error


def _scorable(rows: Iterator[Row], source: str) -> Iterator[Row]:
    """The rows, as long as a reward can be called with them."""
    for number, row in enumerate(rows, start=1):
        if reserved := _REFUSED & row.keys():
            raise ArgumentError(
                f"{name_of(source)} must not have a column `{min(reserved)}`, which trainers and this command write "
                f"themselves, got one at row {number}; rename it, or leave it out"
            )
        if not is_completion(row["completion"]):
            raise ArgumentError(
                f"{name_of(source)}: `completion` must be a string or a list of messages, got "
                f"{str(row['completion'])[:80]!r} at row {number}; correct or drop the row"
            )
        yield row


def _line(row: Row, values: Values, place: int) -> str:
    rewards = {name: None if np.isnan(column[place]) else float(column[place]) for name, column in values.items()}
    return rendered({**row, _REWARDS: rewards}) + "\n"


def _summary(values: Values) -> str:
    """A table: for each component mean, quantiles, and how many rows are `None`."""
    width = max(map(len, values))
    rows = len(next(iter(values.values())))
    count = f"{rows} row{'s' * (rows != 1)}"
    head = f"{count:<{width}}{'mean':>10}" + "".join(f"{f'P{q}':>10}" for q in _QUANTILES) + f"{'None':>8}"
    return "\n".join([head, *(f"{name:<{width}}{_figures(column)}" for name, column in values.items())])


def _figures(column: NDArray[np.float64]) -> str:
    present = column[~np.isnan(column)]
    numbers = [present.mean(), *np.percentile(present, _QUANTILES)] if present.size else []
    shown = [f" {number:>9.4f}" for number in numbers] or [f"{'-':>10}"] * (1 + len(_QUANTILES))
    return "".join(shown) + f"{column.size - present.size:>8}"
