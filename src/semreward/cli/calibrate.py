"""`semreward calibrate`: the threshold that fits an encoder and a policy."""

from argparse import Namespace
from typing import TextIO

from semreward.calibration import Statistic, calibrate
from semreward.cli.output import check_target, put, refusals
from semreward.cli.rewards import similarity_of
from semreward.cli.rows import ABOUT_ROWS, Row, located, name_of, rows_of
from semreward.errors import ArgumentError


def run(options: Namespace, stdout: TextIO) -> int:
    """Print the calibration, and save it where that was asked for."""
    check_target(options.out, options)
    rows = list(rows_of(options.file, options.column, needed=("completion",)))
    reward = similarity_of(options)
    column = reward.reference_column
    _check_references(rows, column, options.file, options.samples_per_prompt)
    try:
        calibration = calibrate(
            reward,
            [row["completion"] for row in rows],
            [row[column] for row in rows],
            samples_per_prompt=options.samples_per_prompt,
            group_size=options.group_size,
            mismatched=not options.no_mismatched,
            statistic=_statistic(options.statistic),
        )
    except ABOUT_ROWS as error:
        raise located(error, options.file) from error
    put(f"{calibration}\n", stdout)
    if options.out is not None:
        with refusals():
            calibration.save(options.out)
    return 0


def _check_references(rows: list[Row], column: str, source: str, samples_per_prompt: int) -> None:
    """Raise unless each row has a reference, and samples that are said to share a prompt share it."""
    for number, row in enumerate(rows, start=1):
        if column not in row:
            raise ArgumentError(
                f"{name_of(source)} must have a column `{column}`, got {', '.join(row)} at row {number}; name the "
                f"column that has it: --column {column}=COLUMN"
            )
        first = (number - 1) // samples_per_prompt * samples_per_prompt
        if row[column] != rows[first][column]:
            raise ArgumentError(
                f"{name_of(source)} must hold {samples_per_prompt} samples of a prompt side by side, but `{column}` of "
                f"row {number} differs from that of row {first + 1}; sort the rows, or correct --samples-per-prompt"
            )


def _statistic(text: str) -> Statistic:
    try:
        return float(text)
    except ValueError:
        return text  # type: ignore[return-value] # `calibrate` knows the names
