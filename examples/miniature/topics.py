"""Chinese text about other things than captions, as data, and the sampler that fills it in.

`FAMILIAR` topics are part of pretraining: fresh draws from them show how far fine-tuning moves the policy on text it
was trained on. `UNFAMILIAR` topics occur neither in pretraining nor in any fine-tuning data: they show the drift on
text that is truly out of domain, with other words and sentence patterns.
"""

import itertools
import random
import string
from typing import NamedTuple


class Topic(NamedTuple):
    """Sentence patterns of one topic, and the words that fill the fields in them."""

    patterns: tuple[str, ...]
    words: dict[str, tuple[str, ...]]


def _words(**fields: str) -> dict[str, tuple[str, ...]]:
    """Read space-separated word lists."""
    return {field: tuple(words.split()) for field, words in fields.items()}


FAMILIAR: tuple[Topic, ...] = (
    Topic(
        (
            "{day}{region}有{weather}，最高气温{degrees}度，风力不大。",
            "气象台说，{region}{day}转为{weather}，出门请带好雨具。",
            "受冷空气影响，{region}的气温下降了{degrees}度。",
        ),
        _words(
            day="明天 后天 周末 本周 下周",
            region="北方 南方 山区 沿海 西部 东部",
            weather="小雨 大雪 多云 晴天 雷雨 大风 雾",
            degrees="三 五 八 十 十二 二十",
        ),
    ),
    Topic(
        (
            "做{dish}要先把{food}切成小块，再放进锅里{cook}。",
            "{food}{cook}十分钟以后加一点{spice}，{dish}就做好了。",
            "很多人觉得{dish}里的{spice}放得越少越好吃。",
        ),
        _words(
            dish="炖菜 热汤 炒饭 面条 火锅",
            food="土豆 牛肉 豆腐 白菜 鸡肉 萝卜",
            cook="煮 炒 蒸 炖",
            spice="盐 糖 醋 辣椒 胡椒 酱油",
        ),
    ),
    Topic(
        (
            "从{station}坐{vehicle}到{target}大约需要{hours}个小时。",
            "开往{target}的{vehicle}已经晚点，请旅客在{station}等候。",
            "去{target}旅行的人很多，{vehicle}票最好提前{hours}天买。",
        ),
        _words(
            station="东站 西站 南站 码头 机场 车站",
            vehicle="火车 汽车 轮船 飞机 高铁",
            target="海岛 古城 雪山 湖区 首都",
            hours="两 三 四 六 八 九",
        ),
    ),
    Topic(
        (
            "这家公司今年的{product}销量比去年{trend}了{share}成。",
            "由于{cause}，{product}的价格最近{trend}了不少。",
            "工厂计划生产更多的{product}，因为{cause}。",
        ),
        _words(
            product="手机 电视 家具 钢铁 汽车 玩具 电脑",
            trend="增加 减少 上升 下降",
            share="一 两 三 四 五",
            cause="成本提高 需求增长 出口减少 技术进步 竞争加强",
        ),
    ),
    Topic(
        (
            "{team}在昨天的{sport}比赛中以{score}比一战胜了对手。",
            "{sport}教练说，{team}这个赛季的{part}比以前更好。",
            "因为{part}不够理想，{team}输掉了这场{sport}比赛。",
        ),
        _words(
            team="主队 客队 国家队 青年队 女队",
            sport="足球 篮球 排球 乒乓球 网球",
            score="二 三 四 五",
            part="进攻 防守 体力 配合 速度",
        ),
    ),
    Topic(  # the words of the translation prompts, so that their embeddings are trained
        (
            "他请{translator}把下面的{text}翻译成{language}。",
            "会说{language}的{translator}很少，这些{text}还没有人翻译。",
            "请把{language}的{text}翻译成{other}，再交给{translator}。",
        ),
        _words(
            translator="专家 同事 朋友 翻译",
            text="句子 文章 故事 信件",
            language="藏语 汉语 英语",
            other="藏语 汉语 法语",
        ),
    ),
)

UNFAMILIAR: tuple[Topic, ...] = (
    Topic(
        (
            "天文学家用望远镜观察{star}，发现它的{feature}正在缓慢变化。",
            "与地球相比，{star}的{feature}要大{times}倍，却没有生命存在。",
            "科学家认为，{star}形成于{times}亿年以前。",
        ),
        _words(
            star="火星 木星 土星 月球 彗星 银河",
            feature="质量 亮度 轨道 温度 体积",
            times="几 十 二十 四十 上百",
        ),
    ),
    Topic(
        (
            "根据合同第{clause}条的规定，{party}应当承担{duty}责任。",
            "法院认为{party}的证据不足，因此没有支持其{duty}请求。",
            "如果{party}违反法律，另一方有权要求{duty}。",
        ),
        _words(
            clause="一 三 七 九 十二",
            party="原告 被告 甲方 乙方 保险人",
            duty="赔偿 返还 违约 担保 保密",
        ),
    ),
    Topic(
        (
            "这首{music}的第{part}乐章由{instrument}独奏，旋律优美而忧伤。",
            "作曲家为{instrument}写了许多{music}，至今仍在世界各地演出。",
            "听众安静地坐着，{instrument}的声音在音乐厅里回响。",
        ),
        _words(
            music="协奏曲 交响曲 奏鸣曲 民歌",
            part="一 二 三 四",
            instrument="钢琴 小提琴 长笛 古筝 大提琴",
        ),
    ),
    Topic(
        (
            "{dynasty}时期，皇帝下令修建{building}，历时{years}年才完成。",
            "考古人员在{dynasty}的古墓中发现了与{building}有关的文字。",
            "史书记载，{building}曾毁于战火，{dynasty}以后重新修复。",
        ),
        _words(
            dynasty="秦朝 汉朝 唐朝 宋朝 明朝",
            building="长城 宫殿 运河 陵墓 石桥",
            years="七 十三 二十 三十六",
        ),
    ),
)

CHARACTERS: tuple[str, ...] = tuple(
    sorted(
        {
            character
            for topic in FAMILIAR + UNFAMILIAR
            for text in (*topic.patterns, *itertools.chain.from_iterable(topic.words.values()))
            for character in text
            if character.isalpha() and not character.isascii()
        }
    )
)
"""Every Chinese character of both groups of topics."""

VOCABULARY: tuple[str, ...] = tuple(
    sorted(
        {*CHARACTERS, *(word for topic in FAMILIAR + UNFAMILIAR for words in topic.words.values() for word in words)}
    )
)
"""Those characters, and every word that fills a field."""


def sample_text(rng: random.Random, topics: tuple[Topic, ...], *, sentences: int = 2) -> str:
    """Draw a short text about one topic.

    Args:
        rng: Source of randomness.
        topics: `FAMILIAR` or `UNFAMILIAR`.
        sentences: Number of sentences, >= 1, each from a pattern of its own draw.

    Returns:
        The sentences in a row.
    """
    topic = rng.choice(topics)
    return "".join(_fill(rng.choice(topic.patterns), topic, rng) for _ in range(sentences))


def _fill(pattern: str, topic: Topic, rng: random.Random) -> str:
    """Put a random word into every field of a pattern."""
    fields = [field for _, field, _, _ in string.Formatter().parse(pattern) if field]
    return pattern.format(**{field: rng.choice(topic.words[field]) for field in fields})
