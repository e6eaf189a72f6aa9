"""Tibetan in Latin letters (Wylie, extended as EWTS), and the parts of a syllable, which case endings depend on.

A Tibetan syllable is a row of stacks: prefix, root, suffix, second suffix. Only the root carries the vowel, and an `a`
is not written, so a transliteration has to find the root. Ordinary Tibetan is covered; of Sanskrit only what common
names need: stacks that Tibetan does not have are spelled with `+` (`pad+ma`), and signs without a letter of their own
are left as they are.
"""

import re
from typing import NamedTuple

from semreward.audit.tables import words

_LETTERS = dict(
    zip(
        "ཀཁགངཅཆཇཉཏཐདནཔཕབམཙཚཛཝཞཟའཡརལཤསཧཨཊཋཌཎཥཪ",
        words("k kh g ng c ch j ny t th d n p ph b m ts tsh dz w zh z ' y r l sh s h a T Th D N Sh r"),
        strict=True,
    )
)
_VOWELS = {"ི": "i", "ུ": "u", "ེ": "e", "ོ": "o", "ཻ": "ai", "ཽ": "au", "ཱ": "A", "ྀ": "-i", "ཱི": "I", "ཱུ": "U"}
_MARKS = {"།": "/", "༎": "//", "༏": ";", "༑": "|", "༔": ":", "༄": "@", "༅": "#", "༌": "*", "་": " "}
_MARKS |= {"ཾ": "M", "ྃ": "~M"} | {chr(0x0F20 + digit): str(digit) for digit in range(10)}

_SUPERSCRIBED = {"ར": "ཀགངཇཉཏདནབམཙཛ", "ལ": "ཀགངཅཇཏདཔབཧ", "ས": "ཀགངཉཏདནཔབམཙ"}
_SUBSCRIBED = {"ཡ": "ཀཁགཔཕབམ", "ར": "ཀཁགཏཐདནཔཕབམསཧ", "ལ": "ཀགབརསཟ", "ཝ": "ཀཁགཅཉཏདཙཚཞཟརལཤསཧ"}
_PREFIXED = {"ག": "ཅཉཏདནཙཞཟཡཤས", "ད": "ཀགངཔབམ", "བ": "ཀགཅཏདཙཞཟཤས", "མ": "ཁགངཆཇཉཐདནཚཛ", "འ": "ཁགཆཇཐདཕབཚཛ"}
_BEFORE_SECOND_SUFFIX = "གངབམ"  # which is ས
# Three plain letters that read both ways: with the root in the middle against the rule, or in front.
_ROOT_IN_THE_MIDDLE = frozenset({"དགས", "དབས", "དམས", "འགས", "འབས"})

_STACK = re.compile("([\u0f40-\u0f6c])([\u0f90-\u0fbc]*)([\u0f71-\u0f7d\u0f80\u0f81]*)")
_SYLLABLE = re.compile("(?:[\u0f40-\u0f6c][\u0f90-\u0fbc]*[\u0f71-\u0f7d\u0f80\u0f81]*)+")


class _Stack(NamedTuple):
    """Letters above each other, and the vowel that is written on them."""

    letters: str
    vowel: str

    @property
    def is_plain(self) -> bool:
        return len(self.letters) == 1 and not self.vowel


def wylie(text: str) -> str:
    """A text in Wylie transliteration; what is not Tibetan stays as it is.

    Args:
        text: Tibetan text, in NFC.

    Returns:
        The transliteration. The tsheg becomes a space, the shad `/`, digits Latin ones.

    Source:
        Wylie 1959, https://doi.org/10.2307/2718544; the extended scheme of the Tibetan and Himalayan Library, without
        its rule that white space becomes `_`.

    Example:
        >>> wylie("བོད་ཡིག་གསུམ་བརྒྱད། དགའ་བའི་གཡག")
        "bod yig gsum brgyad/ dga' ba'i g.yag"
    """
    latin = _SYLLABLE.sub(lambda match: _spelled(match.group()), text)
    return "".join(_MARKS.get(sign, sign) for sign in latin)


def final_letter(syllable: str) -> str:
    """The suffix that a syllable ends on, without a second one; empty for an open syllable.

    Args:
        syllable: One syllable, without its tsheg.

    Example:
        >>> final_letter("སྒྲོལ"), final_letter("ཤིས"), final_letter("མ"), final_letter("གངས")
        ('ལ', 'ས', '', 'ང')
    """
    stacks = _stacks(syllable)
    if not stacks:
        return ""
    after = [stack.letters for stack in stacks[_root(stacks) + 1 :]]
    return after[0] if after else ""


def _stacks(syllable: str) -> list[_Stack]:
    return [
        _Stack(base + "".join(chr(ord(letter) - 0x50) for letter in below), vowel)
        for base, below, vowel in _STACK.findall(syllable)
    ]


def _spelled(syllable: str) -> str:
    stacks = _stacks(syllable)
    root = _root(stacks)
    spelled = ""
    for place, stack in enumerate(stacks):
        particle = _begins_particle(stacks, place) and place > root
        foreign = place < root and stack.letters not in _PREFIXED  # karma: two syllables in one
        vowel = "".join(_VOWELS.get(sign, "") for sign in _joined_vowels(stack.vowel))
        letters = "" if stack.letters == "ཨ" else _stack_letters(stack.letters)
        stands_apart = place == root == 1 and stack.letters[0] == "ཡ" and stacks[0].letters == "ག"  # g.y is not gy
        spelled += (
            ("." if stands_apart else "") + letters + (vowel or ("a" if place == root or particle or foreign else ""))
        )
    return spelled


def _joined_vowels(signs: str) -> list[str]:
    return [signs] if signs in _VOWELS else list(signs)


def _stack_letters(letters: str) -> str:
    joint = "" if _is_tibetan_stack(letters) else "+"
    return joint.join(_LETTERS.get(letter, letter) for letter in letters)


def _is_tibetan_stack(letters: str) -> bool:
    if len(letters) > 1 and letters[1] in _SUPERSCRIBED.get(letters[0], ""):
        letters = letters[1:]
    if letters[-1] == "ཝ" and len(letters) > 2:  # noqa: PLR2004 - root, subscript, wa-zur: grwa
        letters = letters[:-1]
    return len(letters) == 1 or (len(letters) == 2 and letters[0] in _SUBSCRIBED.get(letters[1], ""))  # noqa: PLR2004


def _begins_particle(stacks: list[_Stack], place: int) -> bool:
    """Whether 'i, 'u, 'o, 'ang or 'am begins here, which are written onto an open syllable."""
    stack = stacks[place]
    if place == 0 or stack.letters != "འ":
        return False
    closed_by = [later.letters for later in stacks[place + 1 :]]
    return bool(stack.vowel) or closed_by in (["ང"], ["མ"])


def _root(stacks: list[_Stack]) -> int:
    """Which stack carries the vowel."""
    tail = next((place for place in range(len(stacks)) if _begins_particle(stacks, place)), None)
    head = stacks[:tail]
    heavy = next((place for place, stack in enumerate(head) if not stack.is_plain), None)
    if heavy is not None:
        return heavy
    if tail is not None:  # the syllable before a particle is open: its last letter is the root
        return len(head) - 1
    return _plain_root("".join(stack.letters for stack in head))


def _plain_root(letters: str) -> int:
    """The root among plain letters without any vowel sign."""
    if len(letters) <= 2:  # noqa: PLR2004 - a root, and perhaps its suffix
        return 0
    has_prefix = letters[1] in _PREFIXED.get(letters[0], "")
    if len(letters) > 3:  # noqa: PLR2004 - prefix, root, two suffixes
        return int(has_prefix)
    has_two_suffixes = letters[1] in _BEFORE_SECOND_SUFFIX and letters[2] == "ས"
    if has_prefix and has_two_suffixes:
        return int(letters in _ROOT_IN_THE_MIDDLE)
    return int(has_prefix)
