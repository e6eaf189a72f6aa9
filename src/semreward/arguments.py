"""One check for each kind of argument; those that raise name the argument, the rule and the value."""

import math
from collections.abc import Collection, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, TypeVar

from semreward.errors import ArgumentError, ArgumentTypeError

T = TypeVar("T")


def is_finite_number(value: Any) -> bool:
    """Whether a value is a real number of Python or NumPy: not a bool, not NaN, not infinite."""
    try:
        return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
    except OverflowError:  # an integer larger than every float
        return False


def is_column(value: object) -> bool:
    """Whether a value can be a column: it has a length and positions, and is not a text, a mapping or a 0-d array."""
    if getattr(value, "ndim", 1) == 0:
        return False
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, (str, bytes, Mapping))


def is_nothing(value: object) -> bool:
    """Whether a value is `None`, or NaN or NA, as pandas has them."""
    return value is None or type(value).__name__ == "NAType" or (isinstance(value, Real) and value != value)  # noqa: PLR0124


def in_one_order(values: Iterable[T]) -> tuple[T, ...]:
    """A collection as a tuple; sets in an order that is the same in every process."""
    return tuple(sorted(values, key=str) if isinstance(values, (set, frozenset)) else values)


def check_column(name: str, column: Any, rows: int) -> None:
    """Raise unless a column is a list of `rows` values."""
    if not is_column(column):
        raise ArgumentTypeError(f"`{name}` must be a list with one value per completion, got {type(column).__name__}")
    if len(column) != rows:
        raise ArgumentError(f"`{name}` must have one value per completion: {rows} expected, got {len(column)}")


def check_number(name: str, value: Any, *, at_least: float = -math.inf, above: float = -math.inf) -> None:
    """Raise unless `value` is a finite number within the limits."""
    if not is_finite_number(value) or not (value >= at_least and value > above):
        limits = [f"of at least {at_least:g}"] if at_least > -math.inf else []
        limits += [f"above {above:g}"] if above > -math.inf else []
        raise ArgumentError(f"`{name}` must be a finite number {' and '.join(limits)}".rstrip() + f", got {value!r}")


def check_share(name: str, value: Any, *, below_one: bool = False) -> None:
    """Raise unless `value` lies in [0, 1], or in [0, 1)."""
    if not is_finite_number(value) or not 0 <= value <= 1 or (below_one and value == 1):
        raise ArgumentError(f"`{name}` must be a number in [0, 1{')' if below_one else ']'}, got {value!r}")


def check_count(name: str, value: Any, *, at_least: int = 1, at_most: int | None = None) -> None:
    """Raise unless `value` is a whole number within the limits."""
    is_count = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_count or value < at_least or (at_most is not None and value > at_most):
        limits = f"of at least {at_least}" if at_most is None else f"from {at_least} to {at_most}"
        raise ArgumentError(f"`{name}` must be a whole number {limits}, got {value!r}")


def check_choice(name: str, value: Any, choices: Collection[Any]) -> None:
    """Raise unless `value` is one of the choices."""
    if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in choices):
        raise ArgumentError(f"`{name}` must be one of {', '.join(map(str, choices))}; got {value!r}")


def check_text(name: str, value: Any) -> None:
    """Raise unless `value` is a non-empty string."""
    if not isinstance(value, str) or not value:
        raise ArgumentError(f"`{name}` must be a non-empty string, got {value!r}")
