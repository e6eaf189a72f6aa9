"""Chinese span-extraction reading comprehension, in the layout of CMRC 2018 (that of SQuAD).

A passage tells four facts about a person, a question asks for one of them, and the answer stands in the passage word
for word. The policy is taught this in pretraining, so exact match after fine-tuning shows what fine-tuning made it
forget: the alignment tax. (One person, because a small policy finds the right kind of fact within a few hundred steps;
finding the right person among two takes it several times as long.) Names and facts combine freely, so passages are
practically never met twice; training still excludes the evaluation passages explicitly (`miniature.documents`).
"""

import random
from collections.abc import Collection
from typing import Any, NamedTuple


class Relation(NamedTuple):
    """One kind of fact: how passages state it, how questions ask for it, and what the answers are."""

    statements: tuple[str, ...]
    questions: tuple[str, ...]
    answers: tuple[str, ...]


PROMPT = "阅读短文，用短文中的原文回答问题。\n短文：{passage}\n问题：{question}"
"""What the user says to the policy; the same in pretraining and in evaluation."""


class ReadingItem(NamedTuple):
    """A passage, a question about it, and the answer, a span of the passage."""

    passage: str
    question: str
    answer: str

    @property
    def prompt(self) -> str:
        """The question as a user asks it."""
        return PROMPT.format(passage=self.passage, question=self.question)


SURNAMES = tuple("王李张刘陈杨赵周吴徐孙马朱胡林郭")
GIVEN_NAMES = tuple("伟芳娜敏静强磊军洋勇艳杰娟涛超霞平刚玲辉")

RELATIONS: tuple[Relation, ...] = (
    Relation(
        ("{name}住在{answer}", "{name}的家在{answer}"),
        ("{name}住在哪里？", "{name}的家在哪里？"),
        ("北京", "上海", "天津", "重庆", "拉萨", "成都", "西安", "兰州", "广州", "昆明", "武汉", "南京"),
    ),
    Relation(
        ("{name}是一名{answer}", "{name}的工作是{answer}"),
        ("{name}的工作是什么？", "{name}是做什么的？"),
        ("记者", "律师", "厨师", "会计", "警察", "导游", "护士", "编辑", "演员", "画家", "作家", "工程师"),
    ),
    Relation(
        ("{name}喜欢{answer}", "{name}的爱好是{answer}"),
        ("{name}喜欢做什么？", "{name}的爱好是什么？"),
        ("游泳", "跑步", "下棋", "唱歌", "钓鱼", "爬山", "跳舞", "书法", "摄影", "骑车", "滑雪", "射箭"),
    ),
    Relation(
        ("{name}最爱吃{answer}", "{name}每天都吃{answer}"),
        ("{name}爱吃什么？", "{name}最爱吃的是什么？"),
        ("米饭", "饺子", "馒头", "包子", "西瓜", "葡萄", "香蕉", "月饼", "烤鸭", "凉粉", "粽子", "豆花"),
    ),
    Relation(
        ("{name}养了一只{answer}", "{name}家里有一只{answer}"),
        ("{name}养了什么？", "{name}家里有什么动物？"),
        ("猫", "狗", "兔子", "鹦鹉", "乌龟", "山羊", "鸽子", "仓鼠", "公鸡", "松鼠"),
    ),
)


def sample_item(rng: random.Random, excluded: Collection[str] = (), *, facts: int = 4) -> ReadingItem:
    """Draw a passage that is not excluded, and a question with a single right answer in it.

    The passage tells `facts` facts, between 1 and the number of relations, each of another kind.
    """
    while True:
        name = rng.choice(SURNAMES) + rng.choice(GIVEN_NAMES)
        relations = rng.sample(RELATIONS, facts)
        answers = [rng.choice(relation.answers) for relation in relations]
        statements = [
            rng.choice(relation.statements).format(name=name, answer=answer)
            for relation, answer in zip(relations, answers, strict=True)
        ]
        asked = rng.randrange(facts)
        question = rng.choice(relations[asked].questions).format(name=name)
        passage = "。".join(statements) + "。"
        if passage not in excluded:
            return ReadingItem(passage, question, answers[asked])


def sample_items(rng: random.Random, count: int) -> list[ReadingItem]:
    """Draw items whose passages all differ."""
    items: dict[str, ReadingItem] = {}
    while len(items) < count:
        item = sample_item(rng, items)
        items[item.passage] = item
    return list(items.values())


def to_cmrc(items: list[ReadingItem]) -> dict[str, Any]:
    """Lay items out as the JSON of CMRC 2018, one paragraph and question each."""
    paragraphs = []
    for index, item in enumerate(items):
        answer = {"text": item.answer, "answer_start": item.passage.index(item.answer)}
        question = {"id": f"MINI_{index}_QUERY_0", "question": item.question, "answers": [answer]}
        paragraphs.append({"id": f"MINI_{index}", "context": item.passage, "qas": [question]})
    return {"version": "miniature", "data": [{"title": "MINI", "paragraphs": paragraphs}]}
