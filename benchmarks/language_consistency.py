"""How fast language consistency is judged, beside the usual loop and beside GlotScript; and that no text breaks it.

Speed: texts of one language over and over, in UTF-8 megabytes a second on one core, at the length of an answer (200
characters) and of a long document (100,000). Every way has to read the whole text: no letter is foreign.

(a) ours        `Writing.is_consistent`, the strict check of `LanguageConsistencyReward` (eq. 3);
(b) reward      the reward itself, called with a list of texts, composing (NFC) and reasoning included;
(c) options     the reward with all kinds of spans left out, an allowed term, and a ratio instead of 0 or 1;
(d) usual loop  each character's category and `unicodedata.name`, as scripts for language rewards do it;
(e) GlotScript  `sp(text)`, if it is installed (`pip install GlotScript`); it counts more than letters.

Robustness: 100,000 random Unicode strings, surrogates among them, lengths from 0 to 300 characters and every ten
thousandth of 33,000, through the reward with and without options and through `language_report`: no exception, and
milliseconds a kB.

    python benchmarks/language_consistency.py                    # one core: 3 to 8 minutes
    python benchmarks/language_consistency.py --strings 1000     # shorter

Writes JSON to `--out` (default `runs/benchmarks/language-consistency.json`). Texts are seeded.
"""

import argparse
import json
import os
import platform
import random
import time
import unicodedata
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from semreward import LanguageConsistencyReward
from semreward.scripts import Writing, expand_scripts, language_report

# Sentences that are read over and over, their scripts, and the names of these in character names.
TEXTS = {
    "Tibetan": ("ཁོང་གིས་ཀུ་ཤུ་གསུམ་ཉོས། བོད་ཡིག་ནི་བོད་པའི་ཡི་གེ་ཡིན། ", ("Tibt",), ("TIBETAN",)),
    "Chinese": ("他买了三个苹果。今天天气很好，我们去公园吧！", ("Hani",), ("CJK",)),
    "English": ("He bought three apples. It is a fine day today, so let us go to the park! ", ("Latn",), ("LATIN",)),
    "English, not ASCII": ("It’s a naïve café: “Où sont les œuvres?” she asked. ", ("Latn",), ("LATIN",)),
    "mixed": (
        "他买了iPhone，ཁོང་གིས་ཀུ་ཤུ་གསུམ་ཉོས། He said: 今天天气很好。",
        ("Tibt", "Hani", "Latn"),
        ("TIBETAN", "CJK", "LATIN"),
    ),
    "Tibetan, decomposed": ("\u0f42\u0fb7\u0f62\u0f0b\u0f40\u0f71\u0f72\u0f0b", ("Tibt",), ("TIBETAN",)),
}
LENGTHS = (200, 100_000)
MIN_SECONDS = 0.4
REPEATS = 5


def usual_loop(text: str, names: tuple[str, ...]) -> bool:
    """The rule that a script for a language reward spells out character by character."""
    letters = 0
    for character in unicodedata.normalize("NFC", text):
        if unicodedata.category(character).startswith("L"):
            if not unicodedata.name(character, "").startswith(names):
                return False
            letters += 1
    return letters > 0


def seconds_of(call: Callable[[], Any]) -> float:
    """CPU seconds of one call, the best of several rounds."""
    call()
    rounds, best = 1, float("inf")
    while True:  # as many calls a round as the clock needs
        start = time.thread_time()
        for _ in range(rounds):
            call()
        spent = time.thread_time() - start
        if spent * REPEATS >= MIN_SECONDS:
            break
        rounds *= 2
    for _ in range(REPEATS):
        start = time.thread_time()
        for _ in range(rounds):
            call()
        best = min(best, (time.thread_time() - start) / rounds)
    return best


def ways(text: str, scripts: tuple[str, ...], names: tuple[str, ...]) -> dict[str, Callable[[], Any]]:
    """The ways to judge a text; each agrees that it is consistent."""
    writing = Writing((expand_scripts(scripts),))
    reward = LanguageConsistencyReward(scripts=scripts)
    options = reward.replace(shape="ratio", strip=("code", "urls", "latex", "tags"), allowed=("GPT",))
    found: dict[str, Callable[[], Any]] = {
        "ours": lambda: writing.is_consistent(text),
        "reward": lambda: reward(completions=[text]) == [1.0],
        "options": lambda: options(completions=[text]) == [1.0],
        "usual loop": lambda: usual_loop(text, names),
    }
    try:
        from GlotScript import sp
    except ModuleNotFoundError:
        print("GlotScript is not installed: pip install GlotScript")
    else:
        found["GlotScript"] = lambda: bool(sp(text))
    for name, judge in found.items():
        if not judge():
            raise SystemExit(f"{name} finds a foreign letter in {text[:40]!r}")
    return found


def measure_speed() -> list[dict[str, Any]]:
    """Megabytes of UTF-8 a second, by text, length and way."""
    rows = []
    for name, (sentence, scripts, names) in TEXTS.items():
        for length in LENGTHS:
            text = (sentence * (length // len(sentence) + 1))[:length]
            megabytes = len(text.encode()) / 1e6
            speeds = {way: megabytes / seconds_of(call) for way, call in ways(text, scripts, names).items()}
            rows.append({"text": name, "characters": length, "MB/s": speeds})
            print(f"{name:20} {length:>7} " + "  ".join(f"{way} {speed:,.0f}" for way, speed in speeds.items()))
    return rows


def random_text(rng: random.Random, size: int) -> str:
    """Random code points of all of Unicode, or of a block or two, or of what options look for."""
    kind = rng.choice(["anything", "block", "signs"])
    if kind == "anything":
        return "".join(map(chr, (rng.randrange(0x110000) for _ in range(size))))
    if kind == "block":
        first = rng.choice([0, 0x300, 0x600, 0x900, 0xF00, 0x1100, 0x2000, 0x3000, 0xAC00, 0xD800, 0xFB00, 0x1D400])
        return "".join(map(chr, (first + rng.randrange(256) for _ in range(size))))
    signs = "$`\\()[]{}<>/=@.&;#|~\n ab字ཀ\u0f0b\u0301\u200b1"
    return "".join(rng.choices(signs, k=size))


def measure_robustness(strings: int) -> dict[str, Any]:
    """Random strings through all that judges texts: milliseconds a kB of UTF-8 (surrogates counted as 3 bytes)."""
    rng = random.Random(0)  # noqa: S311 - texts, not secrets
    strict = LanguageConsistencyReward("bo")
    options = strict.replace(shape="ratio", strip=("code", "urls", "latex", "tags"), allowed=("GPT", "字"))
    calls: dict[str, Callable[[list[str]], Any]] = {
        "strict": lambda batch: strict(completions=batch),
        "spans and terms": lambda batch: options(completions=batch),
        "report": lambda batch: [language_report(text, "bo") for text in batch],
    }
    spent, total, longest = dict.fromkeys(calls, 0.0), 0, 0
    for first in range(0, strings, 100):
        batch = [random_text(rng, rng.randrange(301)) for _ in range(min(100, strings - first))]
        if first % 10_000 == 0:
            batch[0] = random_text(rng, 33_000)
        sizes = [len(text.encode("utf-8", "surrogatepass")) for text in batch]
        total, longest = total + sum(sizes), max(longest, *sizes)
        for name, call in calls.items():
            start = time.thread_time()
            values = call(batch)
            spent[name] += time.thread_time() - start
            if name != "report" and not all(0.0 <= value <= 1.0 for value in values):
                raise SystemExit(f"{name}: a value outside [0, 1]")
    return {
        "strings": strings,
        "MB": total / 1e6,
        "longest, kB": longest / 1e3,
        "ms a kB": {name: seconds * 1e3 / (total / 1e3) for name, seconds in spent.items()},
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strings", type=int, default=100_000, help="random strings of the robustness part")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/language-consistency.json"))
    arguments = parser.parse_args()
    start = time.perf_counter()
    Writing((expand_scripts(("Tibt",)),)).is_consistent("ཀ字")
    first = time.perf_counter() - start
    results = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "regex": version("regex"),
        "first check, seconds": first,
        "speed": measure_speed(),
        "robustness": measure_robustness(arguments.strings),
    }
    print(f"first check of a process: {first:.2f} s\nrobustness: {json.dumps(results['robustness'])}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
