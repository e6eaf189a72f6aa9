"""Words and sentence patterns of the caption language, as data: `miniature.grammar` turns them into sentences and back.

A meaning fills seven slots, and every combination makes sense (all verbs suit all objects), so the slots vary
independently and 14 * 5 * 6 * 12 * 7 * 8 * 6 = 1,693,440 meanings exist: a policy has to translate, it cannot memorise.
Most values have two words a language and each language has several orders, so that one reference sentence is only one
of many right answers: what an overlap metric punishes and a semantic reward should not.

No word belongs to two values; the parser relies on it.
"""

from typing import NamedTuple


class TibetanWord(NamedTuple):
    """A Tibetan word and what has to follow it: a case ending on nouns, the linking particle on verbs."""

    stem: str
    ending: str = ""


class Entry(NamedTuple):
    """One value of a slot: the words that express it in each language, and the Chinese measure word of objects."""

    zh: tuple[str, ...]
    bo: tuple[TibetanWord, ...]
    measure: str = ""


def _bo(*words: str) -> tuple[TibetanWord, ...]:
    """Read `stem+ending` notation."""
    return tuple(TibetanWord(*word.split("+")) for word in words)


LEXICON: dict[str, dict[str, Entry]] = {
    "subject": {
        "teacher": Entry(("老师", "教师"), _bo("དགེ་རྒན+་གྱིས", "སློབ་དཔོན+་གྱིས")),
        "student": Entry(("学生", "同学"), _bo("སློབ་མ+ས", "སློབ་ཕྲུག+་གིས")),
        "doctor": Entry(("医生", "大夫"), _bo("སྨན་པ+ས", "ཨེམ་ཆི+ས")),
        "farmer": Entry(("农民", "农夫"), _bo("ཞིང་པ+ས", "རོང་པ+ས")),
        "herder": Entry(("牧民", "牧人"), _bo("འབྲོག་པ+ས", "ཕྱུགས་རྫི+ས")),
        "monk": Entry(("僧人", "喇嘛"), _bo("གྲྭ་པ+ས", "བཙུན་པ+ས")),
        "soldier": Entry(("士兵", "军人"), _bo("དམག་མི+ས")),
        "worker": Entry(("工人",), _bo("བཟོ་པ+ས")),
        "driver": Entry(("司机", "驾驶员"), _bo("ཁ་ལོ་བ+ས", "མོ་ཊ་གཏོང་མཁན+་གྱིས")),
        "child": Entry(("孩子", "小孩"), _bo("ཕྲུ་གུ+ས", "བྱིས་པ+ས")),
        "elder": Entry(("老人", "老者"), _bo("རྒན་པོ+ས", "རྒས་པོ+ས")),
        "girl": Entry(("女孩", "姑娘"), _bo("བུ་མོ+ས")),
        "youth": Entry(("青年", "小伙子"), _bo("གཞོན་ནུ+ས", "ཕོ་གཞོན+་གྱིས")),
        "merchant": Entry(("商人", "小贩"), _bo("ཚོང་པ+ས")),
    },
    "number": {
        "one": Entry(("一",), _bo("གཅིག")),
        "two": Entry(("两",), _bo("གཉིས")),
        "three": Entry(("三",), _bo("གསུམ")),
        "four": Entry(("四",), _bo("བཞི")),
        "five": Entry(("五",), _bo("ལྔ")),
    },
    "colour": {
        "red": Entry(("红色的", "红"), _bo("དམར་པོ", "དམར་མདོག")),
        "yellow": Entry(("黄色的", "黄"), _bo("སེར་པོ", "སེར་མདོག")),
        "blue": Entry(("蓝色的", "蓝"), _bo("སྔོན་པོ", "སྔོ་མདོག")),
        "green": Entry(("绿色的", "绿"), _bo("ལྗང་ཁུ", "ལྗང་མདོག")),
        "white": Entry(("白色的", "白"), _bo("དཀར་པོ", "དཀར་མདོག")),
        "black": Entry(("黑色的", "黑"), _bo("ནག་པོ", "ནག་མདོག")),
    },
    "object": {
        "apple": Entry(("苹果",), _bo("ཀུ་ཤུ"), "个"),
        "hat": Entry(("帽子",), _bo("ཞྭ་མོ"), "顶"),
        "book": Entry(("书", "书本"), _bo("དཔེ་ཆ", "དེབ"), "本"),
        "bowl": Entry(("碗", "饭碗"), _bo("དཀར་ཡོལ", "ཕོར་པ"), "个"),
        "flower": Entry(("花", "鲜花"), _bo("མེ་ཏོག"), "朵"),
        "umbrella": Entry(("伞", "雨伞"), _bo("ཉི་གདུགས", "ཆར་གདུགས"), "把"),
        "bag": Entry(("包", "背包"), _bo("ཁུག་མ", "རྒྱབ་ཁུག"), "个"),
        "carpet": Entry(("地毯", "毯子"), _bo("གདན", "རུམ་གདན"), "张"),
        "garment": Entry(("衣服", "衣裳"), _bo("གོས", "གྱོན་ཆས"), "件"),
        "shoes": Entry(("鞋", "鞋子"), _bo("ལྷམ"), "双"),
        "basket": Entry(("篮子", "竹篮"), _bo("སླེ་པོ", "གཟེབ་མ"), "个"),
        "lamp": Entry(("灯", "油灯"), _bo("སྒྲོན་མེ", "བཞུ་མར"), "盏"),
    },
    "verb": {
        "buy": Entry(("买", "购买"), _bo("ཉོ+གི")),
        "sell": Entry(("卖", "出售"), _bo("འཚོང+གི")),
        "wash": Entry(("洗", "清洗"), _bo("འཁྲུད+ཀྱི")),
        "seek": Entry(("找", "寻找"), _bo("འཚོལ+གྱི")),
        "watch": Entry(("看", "观看"), _bo("ལྟ+གི")),
        "carry": Entry(("提着", "拿着"), _bo("འཁྱེར+གྱི")),
        "draw": Entry(("画", "描画"), _bo("འབྲི+གི")),
    },
    "place": {
        "market": Entry(("市场", "集市"), _bo("ཁྲོམ+་ལ", "ཚོང་འདུས+་སུ")),
        "school": Entry(("学校", "校园"), _bo("སློབ་གྲྭ+ར")),
        "hospital": Entry(("医院", "诊所"), _bo("སྨན་ཁང+་དུ")),
        "monastery": Entry(("寺院", "寺庙"), _bo("དགོན་པ+ར", "ལྷ་ཁང+་དུ")),
        "riverside": Entry(("河边", "河畔"), _bo("ཆུ་འགྲམ+་དུ", "གཙང་འགྲམ+་དུ")),
        "village": Entry(("村里", "村庄"), _bo("གྲོང་ཚོ+ར", "གྲོང་གསེབ+་ཏུ")),
        "home": Entry(("家里", "家中"), _bo("ཁྱིམ+་དུ", "ནང+་དུ")),
        "grassland": Entry(("草原", "草地"), _bo("རྩྭ་ཐང+་དུ")),
    },
    "time": {
        "morning": Entry(("早上", "早晨"), _bo("ཞོགས་པ+ར", "སྔ་དྲོ+ར")),
        "noon": Entry(("中午", "正午"), _bo("ཉིན་གུང+་ལ")),
        "afternoon": Entry(("下午", "午后"), _bo("ཕྱི་དྲོ+ར")),
        "evening": Entry(("傍晚", "黄昏"), _bo("དགོང་དྲོ+ར", "ས་སྲོས+་ལ")),
        "night": Entry(("夜里", "深夜"), _bo("མཚན་མོ+ར")),
        "today": Entry(("今天", "今日"), _bo("དེ་རིང")),
    },
}

PATTERNS: dict[str, tuple[str, ...]] = {
    "zh": (
        "{time}，{subject}在{place}{verb}{number}{measure}{colour}{object}。",
        "{time}{subject}正在{place}{verb}{number}{measure}{colour}{object}。",
        "{subject}{time}在{place}{verb}{number}{measure}{colour}{object}。",
        "{time}在{place}，{subject}{verb}{number}{measure}{colour}{object}。",
    ),
    "bo": (
        "{time}་{subject}་{place}་{object}་{colour}་{number}་{verb}།",
        "{time}་{place}་{subject}་{object}་{colour}་{number}་{verb}།",
        "{subject}་{time}་{place}་{object}་{colour}་{number}་{verb}།",
    ),
}

HEADLINE_PATTERNS: dict[str, tuple[str, ...]] = {
    "zh": (
        "{subject}在{place}{verb}{object}。",
        "{place}：{subject}{verb}{object}。",
    ),
    "bo": (
        "{subject}་{place}་{object}་{verb}།",
        "{place}་{subject}་{object}་{verb}།",
    ),
}
"""A headline leaves out time, number and colour; it takes no measure word."""

VERB_ENDINGS = ("་{particle}་འདུག", "་བཞིན་འདུག", "་བཞིན་ཡོད")
"""What a Tibetan verb stem can end on; all three say that the action is going on."""

SWITCHED_ENDINGS = {"subject": "གིས", "place": "ལ", "verb": "བྱེད་ཀྱི་འདུག"}
"""Endings of Chinese words inside a Tibetan sentence: case on nouns, the light verb 'do' on verbs."""
