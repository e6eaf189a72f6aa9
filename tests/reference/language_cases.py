r"""Labelled cases of language consistency: `language_cases.tsv`, read into tuples.

One case a line: language tag; options of the reward as JSON, or nothing; the completion; its reward; why. All texts
were written for this file. In a text, `\uXXXX` stands for a character that one could not see or that an editor would
compose, `\n` for a line break and `\\` for a backslash. Of the options, `pattern` is compiled into `allowed`.

The labels follow the contract in `semreward.scripts`, also where a reader would judge otherwise: where languages share
a script, the wrong one passes, and the reason says so.
"""

import json
import re
from pathlib import Path
from typing import Any

_ESCAPE = re.compile(r"\\(u[0-9A-F]{4}|n|\\)")
_PLAIN = {"n": "\n", "\\": "\\"}


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _PLAIN.get(found[1]) or chr(int(found[1][1:], 16)), text)


def _read() -> list[tuple[str, dict[str, Any], str, float, str]]:
    lines = Path(__file__).with_suffix(".tsv").read_text(encoding="utf-8").split("\n")
    rows = [line.split("\t") for line in lines[1:] if line]
    return [
        (language, json.loads(options or "{}"), _unescaped(text), float(expected), why)
        for language, options, text, expected, why in rows
    ]


CASES = _read()
