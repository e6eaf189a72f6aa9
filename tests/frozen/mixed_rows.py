"""2,000 mixed rows: 500 prompts in four languages with four completions each, good, bad and degenerate.

Every draw comes from `random.Random(seed).random()`, the one method whose sequence Python guarantees, so that the rows
depend on no version of a library. Sentences follow one small grammar per language: a source, its references and the
answers talk about the same things, and their numbers agree or do not.
"""

import hashlib
import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

SEED = 20261129
PROMPTS = 500
SAMPLES_PER_PROMPT = 4

LANGUAGES = ("bo", "zh", "en", "ru")
TAGS = {
    "bo": ("bo", "bo", "bo-CN", "bod"),
    "zh": ("zh", "zh", "zh-Hans", "cmn"),
    "en": ("en", "en", "en-GB", "eng"),
    "ru": ("ru", "ru", "ru-RU", "rus"),
}

# Each column is in the order of LANGUAGES; a Chinese thing carries its measure word.
TIMES = (
    ("ཁ་སང", "昨天", "yesterday", "вчера"),
    ("དེ་རིང", "今天", "today", "сегодня"),
    ("ཞོགས་པ", "早上", "in the morning", "утром"),
    ("དགོང་དྲོ", "晚上", "in the evening", "вечером"),
    ("ན་ནིང", "去年", "last year", "в прошлом году"),
)
PEOPLE = (
    ("དགེ་རྒན་གྱིས", "老师", "the teacher", "учитель"),
    ("སློབ་མས", "学生", "the student", "ученик"),
    ("སྨན་པས", "医生", "the doctor", "врач"),
    ("ཞིང་པས", "农民", "the farmer", "крестьянин"),
    ("བུ་མོས", "女孩", "the girl", "девочка"),
    ("སྒྲོལ་མས", "卓玛", "Drolma", "Долма"),
    ("ཇ་ཁང་བདག་པོས", "茶馆老板", "the café owner", "хозяин чайной"),
)
PLACES = (
    ("ཁྲོམ་ལ", "市场", "at the market", "на рынке"),
    ("སློབ་གྲྭར", "学校", "at school", "в школе"),
    ("ལྷ་སར", "拉萨", "in Lhasa", "в Лхасе"),
    ("ཚོང་ཁང་ནང", "商店", "in the shop", "в магазине"),
    ("ཁང་པའི་ནང", "家里", "at home", "дома"),
)
THINGS = (
    ("ཀུ་ཤུ", "个苹果", "apples", "яблок"),
    ("དཔེ་དེབ", "本书", "books", "книг"),
    ("ཞྭ་མོ", "顶帽子", "hats", "шапок"),
    ("གཡག", "头牦牛", "yaks", "яков"),
    ("མེ་ཏོག", "朵花", "flowers", "цветов"),
    ("ཡི་གེ", "封信", "letters", "писем"),
)
COLOURS = (
    ("དམར་པོ", "红色的", "red", "красных"),
    ("སྔོན་པོ", "蓝色的", "blue", "синих"),
    ("རྙིང་པ", "旧的", "old", "старых"),
    ("མཛེས་པོ", "漂亮的", "beautiful", "красивых"),
)
VERBS = (
    ("ཉོས", "买了", "bought", "купил"),
    ("མཐོང", "看见了", "saw", "увидел"),
    ("བཙོངས", "卖了", "sold", "продал"),
    ("ཐོབ", "得到了", "got", "получил"),
)
NUMBER_WORDS = {
    2: ("གཉིས", "两", "two", "два"),
    3: ("གསུམ", "三", "three", "три"),
    4: ("བཞི", "四", "four", "четыре"),
    7: ("བདུན", "七", "seven", "семь"),
    12: ("བཅུ་གཉིས", "十二", "twelve", "двенадцать"),
    21: ("ཉི་ཤུ་རྩ་གཅིག", "二十一", "twenty-one", "двадцать один"),
    35: ("སུམ་ཅུ་སོ་ལྔ", "三十五", "thirty-five", "тридцать пять"),
}
NUMBERS = (*NUMBER_WORDS, 1500, 1999, 30000)
SOME = ("ལ་ལ", "一些", "some", "несколько")
PREAMBLES = ("བོད་ཡིག་ཏུ་བསྒྱུར་ན། ", "翻译如下：", "Sure! Here is the translation: ", "Вот перевод: ")
JAPANESE_AND_KOREAN = (
    "彼は市場で三個の林檎を買った。",
    "東京大学附属図書館",
    "그는 시장에서 사과 세 개를 샀다.",
    "三個",
)
VERY = ("ཧ་ཅང་", "非常", "very ", "очень ")


@dataclass(frozen=True)
class MixedRow:
    """One row of the data set and its completion; `kind` says what the completion is."""

    kind: str
    completion: Any
    reference: Any
    source: Any
    prompt: Any
    language: str | None
    translation: str

    @property
    def is_complete(self) -> bool:
        """Whether no column is missing, so that a reward with `on_missing="raise"` takes the row."""
        texts = self.reference if isinstance(self.reference, list) else [self.reference]
        has_reference = any(isinstance(text, str) and text.strip() for text in texts)
        return has_reference and self.source is not None and self.language is not None


@dataclass(frozen=True)
class Sentence:
    """What a sentence says: an index into each table of words, and a number; 0 is `some`."""

    time: int
    person: int
    place: int
    thing: int
    colour: int
    verb: int
    number: int


@dataclass(frozen=True)
class Task:
    """What all completions of one prompt share."""

    language: str
    source_language: str
    sentences: tuple[Sentence, ...]
    style: str
    source: str
    references: tuple[str, ...]
    other: tuple[Sentence, ...]


class Draws:
    """Choices that rest on `random()` alone."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def below(self, limit: int) -> int:
        return int(self._random() * limit)

    def chance(self, share: float) -> bool:
        return self._random() < share

    def one(self, items: Sequence[Any]) -> Any:
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[Any]) -> list[Any]:
        keyed = [(self._random(), item) for item in items]
        return [item for _, item in sorted(keyed, key=lambda pair: pair[0])]


def number_text(number: int, style: str, language: str) -> str:
    """A number as `digits`, in the language's own form of digits (`native`), or in `words` where there are some."""
    at = LANGUAGES.index(language)
    if not number:
        return SOME[at]
    if style == "words" and number in NUMBER_WORDS:
        return NUMBER_WORDS[number][at]
    if style == "digits":
        return str(number)
    if language == "bo":
        return "".join(chr(0x0F20 + int(digit)) for digit in str(number))
    if language == "zh":
        return "3万" if number == 30000 else "".join(chr(0xFF10 + int(digit)) for digit in str(number))
    return f"{number:,}" if language == "en" else f"{number:,}".replace(",", "\u202f")


def sentence_text(sentence: Sentence, language: str, *, style: str = "digits", turned: bool = False) -> str:
    """A sentence in a language; `turned` puts its parts into another order."""
    at = LANGUAGES.index(language)
    time, person, place = TIMES[sentence.time][at], PEOPLE[sentence.person][at], PLACES[sentence.place][at]
    thing, colour, verb = THINGS[sentence.thing][at], COLOURS[sentence.colour][at], VERBS[sentence.verb][at]
    number = number_text(sentence.number, style, language)
    if language == "bo":
        first = (person, time, place) if turned else (time, person, place)
        return "་".join([*first, thing, colour, number, verb]) + "།"
    if language == "zh":
        what = f"{number}{thing[0]}{colour}{thing[1:]}"
        return f"{person}{time}在{place}{verb}{what}。" if turned else f"{time}，{person}在{place}{verb}{what}。"
    if language == "en":
        what = f"{verb} {number} {colour} {thing}"
        said = f"{place}, {person} {what} {time}." if turned else f"{time}, {person} {what} {place}."
    else:
        what = f"{verb} {number} {colour} {thing}"
        said = f"{person} {time} {what} {place}." if turned else f"{time} {person} {place} {what}."
    return said[0].upper() + said[1:]


def text_of(sentences: Sequence[Sentence], language: str, *, style: str = "digits", turned: bool = False) -> str:
    joiner = "" if language == "zh" else " "
    return joiner.join(sentence_text(sentence, language, style=style, turned=turned) for sentence in sentences)


def drawn_sentence(draws: Draws) -> Sentence:
    tables = (TIMES, PEOPLE, PLACES, THINGS, COLOURS, VERBS)
    parts = [draws.below(len(table)) for table in tables]
    return Sentence(*parts, number=0 if draws.chance(0.25) else draws.one(NUMBERS))


def drawn_task(draws: Draws) -> Task:
    language = draws.one(LANGUAGES)
    source_language = draws.one([other for other in LANGUAGES if other != language])
    sentences = tuple(drawn_sentence(draws) for _ in range(1 + draws.below(3)))
    style = draws.one(("digits", "native", "words"))
    references = [text_of(sentences, language, style=style)]
    references.append(text_of(sentences, language, style=style, turned=True))
    references.append(text_of(sentences, language, style="digits", turned=True))
    return Task(
        language,
        source_language,
        sentences,
        style,
        text_of(sentences, source_language, style=style),
        tuple(references[: 1 + draws.below(3)]),
        tuple(drawn_sentence(draws) for _ in range(1 + draws.below(3))),
    )


def _changed(task: Task, draws: Draws) -> str:
    """The reference with one part of one sentence replaced."""
    part = draws.one(("time", "person", "place", "thing", "colour", "verb", "number"))
    at = draws.below(len(task.sentences))
    sentence = Sentence(**{**asdict(task.sentences[at]), part: getattr(drawn_sentence(draws), part)})
    sentences = [*task.sentences[:at], sentence, *task.sentences[at + 1 :]]
    return text_of(sentences, task.language, style=task.style)


def _mixed_scripts(task: Task, draws: Draws) -> str:
    own, foreign = task.references[0], task.source
    if draws.chance(0.5):
        return own[: len(own) // 2] + foreign[len(foreign) // 2 :]
    cut = draws.below(len(own))
    return own[:cut] + foreign[: 1 + draws.below(6)] + own[cut:]


def _long(task: Task, draws: Draws) -> str:
    sentences = [drawn_sentence(draws) for _ in range(40 + draws.below(40))]
    return text_of([*task.sentences, *sentences], task.language, style=task.style)


def _with_spans(task: Task, draws: Draws) -> str:
    """The reference with code, a link, a formula, tags or a term in it."""
    spans = (
        " `print(total)` ",
        "\n```python\nfor apple in apples:\n    eat(apple)\n```\n",
        " https://example.org/a?b=1 ",
        " $E = mc^2$ ",
        r" \(a + b\) ",
        " <b>GPT</b> ",
        " &nbsp;<|im_end|>",
        " iPhone ",
        " NASA GPT ",
        " Lhasa ",
    )
    own = task.references[0]
    cut = draws.below(len(own) + 1)
    return own[:cut] + draws.one(spans) + own[cut:]


def _disguised(task: Task, draws: Draws) -> str:
    """The reference with invisible, decomposed, full-width or look-alike characters."""
    own = task.references[0]
    forms = (
        "\u200b".join(own),
        own.replace("é", "e\u0301").replace("й", "и\u0306"),
        "".join(chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character for character in own),
        own.translate(str.maketrans("aeopc", "аеорс")),
        own.translate(str.maketrans("аеорс", "aeopc")),
        "\u202e" + own + "\u202c",
        own.replace("་", "༌"),
    )
    return draws.one(forms)


def _paraphrase(task: Task, draws: Draws) -> str:
    style = draws.one(("digits", "native", "words"))
    return text_of(task.sentences, task.language, style=style, turned=True)


def _partly_right(task: Task, draws: Draws) -> str:
    return text_of([*task.sentences[:1], *task.other], task.language, style=task.style)


def _unrelated(task: Task, draws: Draws) -> str:
    return text_of(task.other, task.language, style=task.style)


def _blank(task: Task, draws: Draws) -> str:
    return draws.one(("", " ", "\n\t ", "\u3000\u00a0", "\u200b"))


def _signs(task: Task, draws: Draws) -> str:
    return draws.one(("...", "?!", "།།", "་" * 12, "。。。", "12 345", "༣༥", "😀😀👍🏽", "🇨🇳", "—", "%$#"))


def _repeated(task: Task, draws: Draws) -> str:
    return draws.one(("", " ")).join([task.references[0]] * (2 + draws.below(4)))


def _stuttering(task: Task, draws: Draws) -> str:
    return task.references[0] + VERY[LANGUAGES.index(task.language)] * (3 + draws.below(30))


def _truncated(task: Task, draws: Draws) -> str:
    return task.references[0][: 1 + draws.below(len(task.references[0]))]


def _shuffled(task: Task, draws: Draws) -> str:
    return " ".join(draws.shuffled(task.references[0].split()))


def _other_language(task: Task, draws: Draws) -> str:
    if draws.chance(0.2):
        return draws.one(JAPANESE_AND_KOREAN)
    return text_of(task.sentences, draws.one([tag for tag in LANGUAGES if tag != task.language]))


def _half_a_copy(task: Task, draws: Draws) -> str:
    return f"{task.references[0]} {task.source[: len(task.source) // 2]}"


def _preamble(task: Task, draws: Draws) -> str:
    return PREAMBLES[LANGUAGES.index(task.language)] + task.references[0]


ANSWERS: dict[str, Callable[[Task, Draws], str]] = {
    "reference": lambda task, draws: draws.one(task.references),
    "paraphrase": _paraphrase,
    "changed": _changed,
    "partly right": _partly_right,
    "unrelated": _unrelated,
    "blank": _blank,
    "signs only": _signs,
    "repeated": _repeated,
    "stuttering": _stuttering,
    "truncated": _truncated,
    "shuffled": _shuffled,
    "other language": _other_language,
    "source copy": lambda task, draws: task.source,
    "half a copy": _half_a_copy,
    "preamble": _preamble,
    "prompt copy": lambda task, draws: f"Translate: {task.source}",
    "mixed scripts": _mixed_scripts,
    "with spans": _with_spans,
    "disguised": _disguised,
    "long": _long,
}
"""Answers by kind, without reasoning."""

OFTEN = ("changed", "changed", "paraphrase", "partly right", "mixed scripts", "with spans")
KINDS = (*(kind for kind in ANSWERS if kind != "long"), *OFTEN)


def with_reasoning(answer: str, thought: str, draws: Draws) -> str:
    """An answer and reasoning, in all the orders in which policies produce them."""
    forms = (
        f"<think>{thought}</think>{answer}",
        f"<think>\n{thought}\n</think>\n\n{answer}",
        f"{thought}</think>{answer}",
        f"<think>{answer}",
        f"{answer}<think>{thought}",
        f"{answer}<think>{thought}</think>",
        f"<think>{thought}</think>{answer}<think>{thought}</think>",
        f"<think>{thought}<think>{thought}</think>{answer}</think>",
        f"<think></think>{answer}",
        f"{thought}</think>{answer}</think>{thought}",
        f"<THINK>{thought}</THINK>{answer}",
    )
    return draws.one(forms)


def as_messages(answer: str, draws: Draws) -> list[dict[str, Any]]:
    """An answer as a trainer hands it over: the last assistant message, among others and in several forms."""
    half = len(answer) // 2
    parts = [{"type": "text", "text": answer[:half]}, {"type": "image"}, {"type": "text", "text": answer[half:]}]
    said = {"role": "assistant", "content": answer}
    forms: tuple[list[dict[str, Any]], ...] = (
        [said],
        [said],
        [{"role": "assistant", "content": parts}],
        [{"content": answer}],
        [{"role": "assistant", "content": answer, "reasoning_content": "hm, 苹果?"}],
        [{"role": "assistant", "content": None, "tool_calls": []}, {"role": "tool", "content": "42"}, said],
        [said, {"role": "user", "content": "thanks"}],
        [{"role": "assistant", "content": "དང་པོ།"}, said],
    )
    if draws.chance(0.04):
        return draws.one(([], [{"role": "assistant", "content": None}], [{"role": "user", "content": answer}]))
    return draws.one(forms)


def reference_column(task: Task, draws: Draws) -> Any:
    """A task's references: a string, a list, or in one case of ten missing."""
    if draws.chance(0.1):
        return draws.one((None, "", " \n", [], [None], math.nan))
    if len(task.references) == 1 and draws.chance(0.7):
        return task.references[0]
    return list(task.references)


def source_column(task: Task, draws: Draws) -> Any:
    if draws.chance(0.03):
        return draws.one((None, ""))
    if draws.chance(0.25):
        return [{"role": "system", "content": "Translate."}, {"role": "user", "content": task.source}]
    return task.source


def prompt_column(task: Task, draws: Draws) -> Any:
    text = f"Translate into {task.language}: {task.source}"
    if draws.chance(0.5):
        return text
    shown = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}] if draws.chance(0.3) else []
    return [{"role": "system", "content": "You translate."}, *shown, {"role": "user", "content": text}]


def mixed_rows(seed: int = SEED, prompts: int = PROMPTS) -> list[MixedRow]:
    """The rows, the completions of a prompt side by side."""
    draws = Draws(seed)
    rows = []
    for number in range(prompts):
        task = drawn_task(draws)
        columns = {
            "reference": reference_column(task, draws),
            "source": source_column(task, draws),
            "prompt": prompt_column(task, draws),
            "language": None if draws.chance(0.04) else draws.one(TAGS[task.language]),
            "translation": text_of(task.sentences, draws.one(LANGUAGES)),
        }
        for sample in range(SAMPLES_PER_PROMPT):
            kind = "long" if number % 50 == 0 and sample == 0 else draws.one(KINDS)
            answer = ANSWERS[kind](task, draws)
            if draws.chance(0.25):
                kind, answer = f"{kind}, reasoning", with_reasoning(answer, task.source, draws)
            rows.append(MixedRow(kind, as_messages(answer, draws) if draws.chance(0.4) else answer, **columns))
    return rows


def digest_of(rows: Sequence[MixedRow]) -> str:
    """A short hash of rows, by which a changed row is told from a changed reward."""
    content = json.dumps([asdict(row) for row in rows])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
