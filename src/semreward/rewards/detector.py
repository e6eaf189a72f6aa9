"""Language detectors: a second opinion where languages share a script, so that letters cannot tell them apart."""

import hashlib
import logging
import math
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from semreward.arguments import is_finite_number
from semreward.errors import ArgumentError, ArgumentTypeError, UnknownLanguageError, library
from semreward.scripts import expand_scripts, script_code, tag_parts

logger = logging.getLogger(__name__)

LanguageDetector: TypeAlias = Callable[[list[str]], Sequence[str | Mapping[str, float]]]
"""Maps `N` texts to `N` findings: the language of each, or the probabilities of several languages.

A language is named by a tag with or without fastText's `__label__`: `bo`, `bod`, `bod_Tibt`, `zh-Hans`, `zho_Hans`.
"""

_LABEL = "__label__"
_LABELS = 8  # the languages of a text beyond these have next to no probability
_TOLERANCE = 1e-3  # a model's rounding may carry a probability past 1


def probabilities_of(detector: LanguageDetector, texts: Sequence[str], languages: Sequence[str]) -> list[float]:
    """A detector's probability for each text's wanted language, a BCP-47 tag. It sees each distinct text once.

    Returns:
        `N` probabilities in [0, 1], summed over the labels that name the language; 1 or 0 for a single label.

    Raises:
        ArgumentError, ArgumentTypeError: The detector returns something other than one finding per text.
    """
    distinct = list(dict.fromkeys(texts))
    returned: object = detector(list(distinct)) if distinct else []
    if isinstance(returned, (str, bytes, Mapping)) or not isinstance(returned, Iterable):
        raise ArgumentTypeError(f"`detector` must return a list, one finding per text, got {returned!r}")
    findings = [_as_mapping(finding) for finding in returned]
    if len(findings) != len(distinct):
        raise ArgumentError(
            f"`detector` must return one finding per text: {len(distinct)} expected, got {len(findings)}"
        )
    found = dict(zip(distinct, findings, strict=True))
    return [
        min(1.0, math.fsum(share for label, share in found[text].items() if names_language(label, language)))
        for text, language in zip(texts, languages, strict=True)
    ]


def names_language(label: str, language: str) -> bool:
    """Whether a detector's label names a language.

    Codes of two and three letters agree (`bod` is `bo`), and macrolanguages with their member in CLDR (`cmn` is `zh`;
    `yue` is not). Scripts must agree if both name one, or a region does.

    Example:
        >>> names_language("__label__bod_Tibt", "bo"), names_language("dzo_Tibt", "bo")
        (True, False)
        >>> names_language("zho_Hant", "zh"), names_language("zho_Hant", "zh-CN"), names_language("cmn_Hani", "zh-CN")
        (True, False, True)
    """
    wanted_base, wanted = tag_parts(language)[0], _narrowed_script(language)
    scripts = expand_scripts([wanted]) if wanted else frozenset()
    label = label.removeprefix(_LABEL)
    try:
        if tag_parts(label)[0] != wanted_base:
            return False
        named = _narrowed_script(label)
        if named is None or wanted is None or named == wanted:
            return True
        return {named, wanted} != {"Hans", "Hant"} and bool(expand_scripts([named]) & scripts)
    except UnknownLanguageError:  # "other", "not-a-language", a script that Unicode does not know
        return False


def _narrowed_script(language: str) -> str | None:
    """The script that a tag names, itself or by its region."""
    _, script, region = tag_parts(language)
    return script_code(language) if script or region else None


def _as_mapping(finding: object) -> Mapping[str, float]:
    if isinstance(finding, str):
        return {finding: 1.0}
    if not isinstance(finding, Mapping) or not all(isinstance(label, str) for label in finding):
        raise ArgumentTypeError(
            f"`detector` must return a label, or a mapping from labels to probabilities, per text; got {finding!r}"
        )
    if not all(is_finite_number(share) and 0.0 <= share <= 1.0 + _TOLERANCE for share in finding.values()):
        raise ArgumentError(f"`detector` must return numbers in [0, 1] as probabilities, got {finding!r}")
    return finding


@dataclass(frozen=True)
class FastTextDetector:
    """A fastText language identifier, loaded on first use: GlotLID, OpenLID, NLLB's, lid.176.

    The object holds no model, so it pickles; equal ones share one loaded model per process. Line breaks become spaces,
    because fastText reads one line. Detectors err most on short and on mixed texts: measure one before it decides over
    rewards.

    Args:
        path: File of the model (`model_v3.bin`, `lid.176.ftz`).

    Raises:
        ArgumentError: There is no such file.
        MissingDependencyError, ValueError: At the first call: fasttext is not installed, or cannot read the file.

    Source:
        Joulin et al. 2017, https://aclanthology.org/E17-2068; GlotLID: Kargaran et al. 2023,
        https://aclanthology.org/2023.findings-emnlp.410
    """

    path: str

    def __post_init__(self) -> None:
        if not isinstance(self.path, (str, os.PathLike)) or not Path(self.path).is_file():
            raise ArgumentError(f"`path` must be the file of a fastText model, got {self.path!r}; download it first")
        object.__setattr__(self, "path", os.fspath(self.path))

    @property
    def fingerprint(self) -> str:
        """Short hash of the model's file."""
        return file_hash(self.path)

    def __call__(self, texts: list[str]) -> list[dict[str, float]]:
        """The eight most probable languages of `N` texts, and how probable they are."""
        if not texts:
            return []
        with _LOCKS.setdefault(os.getpid(), threading.Lock()):
            labels, shares = _loaded(self.path).predict([" ".join(text.split()) for text in texts], k=_LABELS)
        return [
            {label.removeprefix(_LABEL): float(share) for label, share in zip(*row, strict=True)}
            for row in zip(labels, shares, strict=True)
        ]


# By process, since a forked child may find its parent's lock held: one thread at a time loads a model, or asks one.
_LOCKS: dict[int, threading.Lock] = {}


@lru_cache(maxsize=4)
def _loaded(path: str) -> Any:
    logger.info("loading the language detector %s", path)
    return library("fasttext", "semreward[detect]").load_model(path)


@lru_cache(maxsize=16)
def file_hash(path: str) -> str:
    """Short hash of a file, as it was when this process first asked."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()[:16]
