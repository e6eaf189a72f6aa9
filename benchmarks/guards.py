"""How often guards fail honest answers, and how often degenerate ones.

Honest answers are other wordings of the reference: two sentences of the miniature's grammar for one meaning, also with
their numbers in digits; and, where SEMREWARD_DATA names the folder of the real data, sentences of a corpus that
translate the same sentence (Tatoeba: Chinese for one English sentence; MITRA: Tibetan for one Chinese sentence, and
Chinese for one Tibetan sentence, aligned automatically, so that many pairs do not say the same). Degenerate answers are
made from the references.

    OMP_NUM_THREADS=1 python benchmarks/guards.py                        # some 20 seconds with the real data
    OMP_NUM_THREADS=1 python benchmarks/guards.py --run runs/miniature   # also a run's own samples
    OMP_NUM_THREADS=1 python benchmarks/guards.py --foreign_words        # only `ForeignWordGuard`, some four minutes

Prints Markdown tables with shares in per cent of rows whose value is 0, and writes them to `guards.json` in `--out`
(default `runs/benchmarks`). Seeded.
"""

import argparse
import gzip
import itertools
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import regex

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

from miniature.grammar import judge, realise, sample_meaning
from semreward.files import read_rows
from semreward.rewards import vocabulary
from semreward.rewards.guards import (
    ComparingReward,
    LengthRatioGuard,
    NumberRecallReward,
    RepetitionGuard,
    SourceCopyGuard,
)
from semreward.rewards.numerals import digit_numbers
from semreward.text import units

GUARDS: dict[str, ComparingReward] = {
    "length": LengthRatioGuard(),
    "repetition": RepetitionGuard(reference_column="reference"),
    "copy": SourceCopyGuard(),
    "numbers": NumberRecallReward(source_column="source"),
}
"""The gates of `recommended_reward`."""

OTHERS: dict[str, ComparingReward] = {
    "length 0.33-3": LengthRatioGuard(1 / 3, 3.0),
    "length 0.5-2": LengthRatioGuard(0.5, 2.0),
    "length 0.6-1.6": LengthRatioGuard(0.6, 1.6),
    "repetition, no reference": RepetitionGuard(),
    "numbers written out": NumberRecallReward(source_column="source", written_out=True),
}

DIGITS = {"zh": {"一": "1", "两": "2", "三": "3", "四": "4", "五": "5"}}
DIGITS["bo"] = {"གཅིག": "༡", "གཉིས": "༢", "གསུམ": "༣", "བཞི": "༤", "ལྔ": "༥"}
NUMBER_WORD = {  # as a word of its own: before a measure word, between two tshegs
    "zh": re.compile(rf"({'|'.join(DIGITS['zh'])})(?=[个顶本朵把张件双盏])"),
    "bo": re.compile(rf"(?<=་)({'|'.join(DIGITS['bo'])})(?=་)"),
}


class Row(NamedTuple):
    """A reference, another wording of it, and what both translate."""

    reference: str
    wording: str
    source: str


def miniature(language: str, rows: int, *, digits: bool = False) -> list[Row]:
    """Two sentences of the grammar for each of so many meanings, and one in the other language."""
    rng = random.Random(0)  # noqa: S311 - sentences, not secrets
    other = "zh" if language == "bo" else "bo"
    found = []
    for _ in range(rows):
        meaning = sample_meaning(rng)
        texts = [realise(meaning, language, rng), realise(meaning, language, rng)]
        if digits:  # always in the reference, as often as not in the other wording
            texts[0] = in_digits(texts[0], language)
            texts[1] = in_digits(texts[1], language) if rng.random() < 0.5 else texts[1]  # noqa: PLR2004
        found.append(Row(*texts, source=realise(meaning, other, rng)))
    return found


def in_digits(text: str, language: str) -> str:
    """A sentence of the grammar with its number as a digit."""
    return NUMBER_WORD[language].sub(lambda found: DIGITS[language][found[0]], text, count=1)


def other_word(text: str) -> str | None:
    """A text with another number word for each; `None` where there is none."""
    changed = text
    for language, pattern in NUMBER_WORD.items():
        words = [*DIGITS[language]]
        changed = pattern.sub(lambda found, words=words: words[words.index(found[0]) - 1], changed)
    return None if changed == text else changed


def tatoeba(folder: Path) -> list[Row]:
    """Chinese sentences that translate the same English sentence."""
    groups = defaultdict(list)
    with gzip.open(folder / "zh" / "tatoeba.tsv.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            text, licence = line.rstrip("\n").split("\t")
            groups[re.findall(r"#(\d+)", licence)[0]].append(text)
    return [Row(one, other, "") for texts in groups.values() for one, other in neighbours(texts)]


def mitra(folder: Path, language: str) -> list[Row]:
    """Sentences of a language that are aligned with the same sentence of the other one."""
    groups = defaultdict(list)
    with gzip.open(folder / "bo_zh" / "train.tsv.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            tibetan, chinese = line.rstrip("\n").split("\t")
            text, source = (tibetan, chinese) if language == "bo" else (chinese, tibetan)
            groups["".join(re.findall(r"[\w\u0f00-\u0fff]", source))].append((text, source))
    return [Row(one[0], other[0], source=one[1]) for texts in groups.values() for one, other in neighbours(texts)]


def neighbours(items: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Each item with the next one."""
    return itertools.pairwise(items)


def run_samples(run: Path, policy: str, *, exact: bool) -> list[Row]:
    """The answers of a run's policy that mean exactly what they should, or the others."""
    samples = read_rows(run / f"evaluate_{policy}" / "samples.jsonl")
    rows = [Row(row["reference"], row["answer"], row["source"]) for row in samples]
    return [row for row in rows if judge(row.wording, row.reference, "bo").exact == exact]


ATTACKS: dict[str, Callable[[Row, Row, list[Row]], str | None]] = {
    "source copied": lambda row, _, __: row.source or None,
    "reference twice": lambda row, _, __: row.reference * 2,
    "reference, then its other wording": lambda row, _, __: row.reference + row.wording,
    "reference, then another one": lambda row, other, _: row.reference + other.reference,
    "reference, then three others": lambda row, _, others: row.reference + "".join(o.reference for o in others[:3]),
    "first half": lambda row, _, __: row.reference[: len(row.reference) // 2],
    "first third": lambda row, _, __: row.reference[: len(row.reference) // 3],
    "half, then its end in a loop": lambda row, _, __: looped(row.reference),
    "signs that say nothing": lambda row, _, __: row.reference + ("་།" * len(row.reference)),
    "digits changed": lambda row, _, __: renumbered(row.reference),
    "number words changed": lambda row, _, __: other_word(row.reference),
}


def looped(text: str) -> str:
    """The first half of a text, then its last five units until the text is as long as before."""
    half = text[: len(text) // 2]
    loop = text[max(0, len(half) - len("".join(units(half)[-5:]))) : len(half)] or half or text
    return (half + loop * len(text))[: len(text)]


def renumbered(text: str) -> str | None:
    """A text with every number in digits raised by one; `None` where there is none."""
    if not digit_numbers(text):
        return None
    return re.sub(r"\d+", lambda found: str(int(found[0]) + 1), text)


def failed(guard: ComparingReward, rows: list[Row], answers: list[str]) -> list[bool]:
    """Which answers a guard gives 0."""
    columns = {"reference": [row.reference for row in rows], "source": [row.source for row in rows]}
    return [value == 0 for value in guard(completions=answers, **columns)]


def shares(rows: list[Row], answers: list[str], guards: dict[str, ComparingReward]) -> dict[str, float]:
    """Per cent of the answers that each guard fails, and that any gate of the recommended reward does."""
    outcomes = {name: failed(guard, rows, answers) for name, guard in guards.items()}
    closed = [any(row) for row in zip(*(outcomes[name] for name in GUARDS), strict=True)]
    percent = {name: 100 * sum(values) / len(rows) for name, values in {**outcomes, "any gate": closed}.items()}
    return {"rows": len(rows), **{name: round(value, 2) for name, value in percent.items()}}


def honest(sets: dict[str, list[Row]]) -> dict[str, dict[str, float]]:
    """How often each guard fails another wording."""
    guards = {**GUARDS, **OTHERS}
    return {name: shares(rows, [row.wording for row in rows], guards) for name, rows in sets.items()}


def degenerate(rows: list[Row]) -> dict[str, dict[str, float]]:
    """How often each guard fails each attack on at most 500 references."""
    rows = rows[:500]
    others = rows[1:] + rows[:1]
    found = {}
    for name, attack in ATTACKS.items():
        answers = [attack(row, others[place], others[place:] + others[:place]) for place, row in enumerate(rows)]
        made = [(row, answer) for row, answer in zip(rows, answers, strict=True) if answer is not None]
        if made:
            guards = {**GUARDS, "numbers written out": OTHERS["numbers written out"]}
            found[name] = shares([row for row, _ in made], [answer for _, answer in made], guards)
    return found


def speed(rows: list[Row]) -> dict[str, float]:
    """Microseconds a row, best of three."""
    found = {}
    for name, guard in {**GUARDS, **OTHERS}.items():
        times = []
        for _ in range(3):
            start = time.perf_counter()
            failed(guard, rows, [row.wording for row in rows])
            times.append(time.perf_counter() - start)
        found[name] = round(1e6 * min(times) / len(rows), 1)
    return found


SHARED_SCRIPT = ("en-de", "en-fr", "en-cs", "de-en", "de-fr", "de-cs", "fr-en", "fr-de", "cs-en", "cs-de")
LIMITS = (0.0, 0.05, 0.1, 0.15, 0.2)
VARIED = ("en-de", "en-fr", "fr-en", "zh-ja")
ONE, WORD = vocabulary._CHARACTER, vocabulary._WORD.pattern  # noqa: SLF001 - measured in other forms, as is the list
THREE_CHARACTERS = regex.compile(WORD.replace(f"(?=({ONE}))", f"(?=({ONE}{ONE}))"), regex.V1)
foreign_list = vocabulary._foreign_words  # noqa: SLF001 - as above
VARIANTS: dict[str, tuple[str, Any]] = {
    **{f"ratio {ratio}": ("_RATIO", ratio) for ratio in (3, 10, 50)},
    "never in the target text": ("_RATIO", 1e9),
    "three characters": ("_WORD", THREE_CHARACTERS),
}


def captions(data: Path, pair: str) -> tuple[vocabulary.ForeignWordGuard, list[Row]]:
    """A guard from the training captions, and the test captions: reference, reference with a source word, source."""
    source, target = pair.split("-")
    folder = data / "multi30k"
    guard = vocabulary.ForeignWordGuard(source=source, target=target, data=str(folder / "train.{column}.gz"))
    rows = read_rows(str(folder / "test_2016_flickr.{column}.gz"), [source, target])
    rng = random.Random(0)  # noqa: S311 - words, not secrets
    return guard, [Row(row[target], with_word(row[target], row[source], rng), row[source]) for row in rows]


def with_word(reference: str, source: str, rng: random.Random) -> str:
    """A reference with a word of its source, of four letters or more, in place of one of its own words."""
    own = re.findall(r"[^\W\d_]+", reference)
    words = [word for word in re.findall(r"[^\W\d_]{4,}", source) if word.lower() not in map(str.lower, own)]
    return re.sub(rf"\b{rng.choice(own)}\b", rng.choice(words), reference, count=1) if words else reference


def tibetan(data: Path, source: int, target: int) -> tuple[vocabulary.ForeignWordGuard, list[Row]]:
    """A guard from MITRA's training pairs, and the references of `dev`; columns by number, 0 is Tibetan."""
    folder = data / "bo_zh"
    guard = vocabulary.ForeignWordGuard(source=source, target=target, data=str(folder / "train.tsv.gz"))
    rows = read_rows(folder / "dev.tsv.gz", [0, 1])
    return guard, [Row(row[target], row[source], row[source]) for row in rows]


def japanese(data: Path) -> tuple[vocabulary.ForeignWordGuard, list[Row]]:
    """Texts that share Han characters: a guard from Tatoeba's Chinese and JSICK's Japanese, 1,000 of each held out."""
    chinese = sorted({row[0] for row in read_rows(data / "zh" / "tatoeba.tsv.gz", [0])})
    sides = ["sentence_A_Ja", "sentence_B_Ja"]
    sentences = sorted({row[side] for row in read_rows(data / "jsick" / "jsick.tsv.gz", sides) for side in sides})
    rng = random.Random(0)  # noqa: S311 - the order of rows, not secrets
    rng.shuffle(chinese)
    rng.shuffle(sentences)
    folder = Path(tempfile.mkdtemp())
    for name, texts in (("zh", chinese), ("ja", sentences)):
        (folder / name).write_text("\n".join(texts[:-1000]), encoding="utf-8")
    guard = vocabulary.ForeignWordGuard(source=folder / "zh", target=folder / "ja")
    pairs = zip(sentences[-1000:], chinese[-1000:], strict=True)
    return guard, [Row(text, with_piece(text, other, rng), other) for text, other in pairs]


def with_piece(text: str, other: str, rng: random.Random) -> str:
    """A text with a piece of another one, two to four Han characters, in place of one of its own."""
    own, pieces = regex.findall(r"\p{Han}{2,}", text), regex.findall(r"\p{Han}{2,4}", other)
    return text.replace(rng.choice(own), rng.choice(pieces), 1) if own and pieces else text


def foreign_words(data: Path, samples: Path | None) -> dict[str, Any]:
    """Per cent of answers with foreign words, references not looked at: honest ones by limit, others at the limit 0."""
    sets = {pair: captions(data, pair) for pair in SHARED_SCRIPT} | {"zh-ja": japanese(data)}
    found = {"variants": {"as it is": {pair: changed(*sets[pair]) for pair in VARIED}}}
    for name, (attribute, value) in VARIANTS.items():
        foreign_list.cache_clear()
        with patch.object(vocabulary, attribute, value):
            found["variants"][name] = {pair: changed(*sets[pair]) for pair in VARIED}
    foreign_list.cache_clear()
    sets |= {"bo-zh": tibetan(data, 0, 1), "zh-bo": tibetan(data, 1, 0)}
    if samples:
        answers = [Row(row["answer"], "", row["source"]) for row in read_rows(samples)]
        sets["samples, en-de"] = sets["en-de"][0], answers
    spelled = {name: adapted(*sets[name]) for name in (*SHARED_SCRIPT, "samples, en-de") if name in sets}
    return found | {"adapted spellings": spelled, "references": {name: by_limit(*pair) for name, pair in sets.items()}}


def changed(guard: vocabulary.ForeignWordGuard, rows: list[Row]) -> str:
    """Per cent of references that fail, and of those that hold a foreign word."""
    with_foreign = [row.wording for row in rows if row.wording != row.reference]
    return f"{closed(guard, [row.reference for row in rows])} / {closed(guard, with_foreign)}"


def adapted(guard: vocabulary.ForeignWordGuard, rows: list[Row]) -> dict[str, float]:
    """Per cent of references that pass and have an unknown word which begins like a foreign word of their source.

    Unknown to the target text; like the first five letters or more of the foreign word, up to its last one.
    """
    known = {word for row in read_rows(guard.data, [guard.target]) for word in vocabulary.words(row[guard.target])}
    foreign = foreign_list(guard.data, guard.target, guard.source)
    found = 0
    for row in rows:
        starts = tuple(word[: max(5, len(word) - 1)] for word in {*vocabulary.words(row.source)} & foreign if word[4:])
        words = {*vocabulary.words(row.reference)}
        found += not foreign & words and any(word.startswith(starts) for word in words - known)
    return {"begin like a word of the source": round(100 * found / len(rows), 2)}


def by_limit(guard: vocabulary.ForeignWordGuard, rows: list[Row]) -> dict[str, float]:
    """Per cent of references that fail at each limit, and of sources at the limit 0."""
    references = [row.reference for row in rows]
    shares = {f"limit {limit:g}": closed(guard.replace(limit=limit), references) for limit in LIMITS}
    return {"rows": len(rows), **shares, "sources": closed(guard, [row.source for row in rows])}


def closed(guard: ComparingReward, answers: list[str]) -> float:
    """Per cent of the answers that a guard gives 0."""
    alone = guard.replace(reference_column=None)
    return round(100 * alone(completions=answers).count(0.0) / len(answers), 2)


def table(results: dict[str, dict[str, float]], heading: str) -> str:
    """Results as Markdown."""
    columns = list(next(iter(results.values())))
    lines = [f"| {heading} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(f'{row[column]}' for column in columns)} |" for name, row in results.items()]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000, help="rows of the miniature")
    parser.add_argument("--run", type=Path, help="folder of a run of examples/grpo_tibetan.py")
    parser.add_argument("--foreign_words", action="store_true", help="measure only this guard; needs the real data")
    parser.add_argument("--samples", type=Path, help="answers en-de as JSON lines, for --foreign_words")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"))
    arguments = parser.parse_args()

    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.foreign_words:
        results = foreign_words(Path(os.environ["SEMREWARD_DATA"]), arguments.samples)
        print("\n\n".join(table(rows, name) for name, rows in results.items()))
        (arguments.out / "foreign_words.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        return
    sets = {f"miniature, {language}": miniature(language, arguments.rows) for language in ("bo", "zh")}
    sets |= {f"{name}, digits": miniature(name[-2:], arguments.rows, digits=True) for name in list(sets)}
    if "SEMREWARD_DATA" in os.environ:
        data = Path(os.environ["SEMREWARD_DATA"])
        sets |= {"Tatoeba, zh": tatoeba(data), "MITRA, bo": mitra(data, "bo"), "MITRA, zh": mitra(data, "zh")}
    results: dict[str, Any] = {"honest": honest(sets)}
    results["degenerate"] = {name: degenerate(rows) for name, rows in sets.items()}
    results["microseconds a row"] = {name: speed(rows) for name, rows in sets.items()}
    if arguments.run:
        samples = {
            f"{policy}, {'exactly right' if exact else 'not right'}": run_samples(arguments.run, policy, exact=exact)
            for policy in ("base", "cold_start", "grpo", "strong_sft")
            for exact in (True, False)
        }
        results["samples"] = honest({name: rows for name, rows in samples.items() if rows})

    print(table(results["honest"], "other wordings"))
    for name, rows in results["degenerate"].items():
        print(f"\n{table(rows, name)}")
    print(f"\n{table(results['microseconds a row'], 'microseconds a row')}")
    if arguments.run:
        print(f"\n{table(results['samples'], 'samples')}")
    (arguments.out / "guards.json").write_text(
        json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
