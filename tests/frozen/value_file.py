"""Frozen values in a file: read, compare to a tolerance, and rewrite.

A file is JSON in xz. `values` holds one list per row with one value per reward, in the order of `names`, so that what
rewards have in common lies side by side and compresses; `calls` holds what functions returned, by name. Numbers are
rounded to one digit more than the tolerance. `None` is null; NaN never occurs.
"""

import json
import lzma
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UPDATE_VARIABLE = "SEMREWARD_UPDATE"

_OFF = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True)
class Frozen:
    """What a file holds.

    Attributes:
        rows: A hash of the rows that were scored.
        values: By reward, one value per row.
        calls: By call, what it returned.
    """

    rows: str
    values: Mapping[str, Sequence[float | None]]
    calls: Mapping[str, Any]


def is_updating() -> bool:
    """Whether the values are to be written, as for `semreward.testing.check_fixtures`."""
    return os.environ.get(UPDATE_VARIABLE, "").strip().lower() not in _OFF


def read_frozen(path: Path) -> Frozen:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; write it: {UPDATE_VARIABLE}=1 pytest {path.parent}")
    content = json.loads(lzma.decompress(path.read_bytes()))
    columns = zip(*content["values"], strict=True)
    return Frozen(content["rows"], dict(zip(content["names"], columns, strict=True)), content["calls"])


def update_frozen(path: Path, now: Frozen, tolerance: float) -> None:
    """Write what is computed now. Numbers that lie within the tolerance of the old ones stay as they were."""
    old = read_frozen(path) if path.exists() else Frozen("", {}, {})
    values = {name: _kept(old.values.get(name), list(column), tolerance) for name, column in now.values.items()}
    calls = {name: _kept(old.calls.get(name), result, tolerance) for name, result in now.calls.items()}
    content = {"rows": now.rows, "names": list(values), "values": list(zip(*values.values(), strict=True))}
    text = json.dumps({**content, "calls": calls}, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    path.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    changed = _changed_names(old, now, tolerance)
    warnings.warn(f"{path.name} was updated: {'; '.join(changed) or 'nothing changed'}", stacklevel=2)


def differences(frozen: Any, now: Any, tolerance: float, where: str = "") -> Iterator[str]:
    """Each place at which two results differ, with what stands there: `a.b[3]: frozen 0.5, now 0.6`."""
    if isinstance(frozen, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*frozen, *now]):
            if key not in now or key not in frozen:
                yield f"{where}.{key}: {'no longer there' if key in frozen else 'not frozen'}".lstrip(".")
            else:
                yield from differences(frozen[key], now[key], tolerance, f"{where}.{key}".lstrip("."))
    elif _is_list(frozen) and _is_list(now):
        if len(frozen) != len(now):
            yield f"{where}: frozen {len(frozen)} items, now {len(now)}"
        for at, (one, other) in enumerate(zip(frozen, now, strict=False)):
            yield from differences(one, other, tolerance, f"{where}[{at}]")
    elif not _agree(frozen, now, tolerance):
        yield f"{where}: frozen {frozen!r}, now {now!r}"


def first_of(found: Sequence[str], shown: int = 3) -> str:
    """The first of some differences, and how many more there are; empty without any."""
    more = f" (and {len(found) - shown} more)" if len(found) > shown else ""
    return "; ".join(found[:shown]) + more


def _agree(frozen: Any, now: Any, tolerance: float) -> bool:
    if _is_number(frozen) and _is_number(now):
        return bool(abs(frozen - now) <= tolerance)  # False for NaN
    return type(frozen) is type(now) and frozen == now


def _kept(old: Any, new: Any, tolerance: float) -> Any:
    """A new result, rounded, with the old numbers where they agree."""
    if isinstance(new, Mapping):
        return {key: _kept(old.get(key) if isinstance(old, Mapping) else None, new[key], tolerance) for key in new}
    if _is_list(new):
        olds = old if _is_list(old) and len(old) == len(new) else [None] * len(new)
        return [_kept(one, other, tolerance) for one, other in zip(olds, new, strict=True)]
    if _is_number(new):
        return old if _agree(old, new, tolerance) else round(new, 1 - math.floor(math.log10(tolerance)))
    return new


def _changed_names(old: Frozen, now: Frozen, tolerance: float) -> list[str]:
    """The rewards and calls that are new, gone or different."""
    names = []
    for before, after in ((old.values, now.values), (old.calls, now.calls)):
        for name in dict.fromkeys([*before, *after]):
            is_kept = name in before and name in after
            if not is_kept or next(differences(before[name], after[name], tolerance), None):
                names.append(name)
    return names


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
