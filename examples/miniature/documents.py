"""What the base policy reads in pretraining, and why.

* Chinese captions, and Chinese about other topics: the language itself.
* Reading comprehension as chat. Answer tokens weigh more than the passage: with equal weights the few answer tokens
  drown and the skill is not there to be forgotten later.
* Copying rows of random words and characters: the cheapest lesson in looking text up, which reading comprehension is
  built on. The rows hold all words of the drift texts, so that unfamiliar topics are new to the policy and their words
  are not.
* Requests to repeat a sentence, as chat. A base model that is asked for a language which it hardly speaks echoes what
  it was given, and to a bilingual encoder an echo means almost what the translation means: a wrong turn that a
  similarity reward alone does not forbid, and something for the language reward to do.
* Tibetan captions, and parallel captions as plain text (never as chat): the latent bilingual knowledge that a real base
  model has. Without it no small cold start teaches translation, only fluent nonsense. The translation weighs more than
  what it translates. The base still does not translate when asked in chat.
* Code-switching: in part of the Tibetan text Chinese words stand for Tibetan ones, as in much real text of minority
  languages. A second wrong turn.
"""

import random
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from miniature.grammar import SLOTS, realise, sample_meaning
from miniature.reading import sample_item
from miniature.topics import FAMILIAR, VOCABULARY, sample_text

CHAT_TURN = "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
"""How the chat template of `miniature.models` opens the assistant's turn."""

REQUESTS_TO_REPEAT = (
    "请复述下面的句子：{}",
    "请把下面的句子抄写一遍：{}",
    "请读下面的句子：{}",
    "下面的句子怎么说？{}",
)


class Segment(NamedTuple):
    """A stretch of a document, and how much each of its tokens counts in the loss."""

    text: str
    weight: float = 1.0


Document = tuple[Segment, ...]


class Mix(NamedTuple):
    """How the kinds of documents are weighted, and how much code-switching they contain.

    Only the proportions of the first seven matter; they need not sum to 1.
    """

    captions: float = 0.05  # Chinese captions
    topics: float = 0.13  # Chinese about other topics
    reading: float = 0.32  # reading comprehension as chat
    copying: float = 0.06  # a row of words and its copy
    echoing: float = 0.0  # a request to repeat a caption, as chat, and the reply
    tibetan: float = 0.06  # Tibetan captions
    parallel: float = 0.35  # a Chinese caption and its Tibetan translation, in either order
    switched_documents: float = 0.4  # share of the Tibetan sentences that code-switch
    switched_slots: float = 0.4  # share of the words that are Chinese in those


def sample_documents(rng: random.Random, count: int, mix: Mix, excluded: Collection[str]) -> Iterator[Document]:
    """Draw pretraining documents, kinds mixed at random, without the reading passages that evaluation uses."""
    kinds: tuple[Callable[[], Document], ...] = (
        lambda: (Segment(_caption(rng)),),
        lambda: (Segment(sample_text(rng, FAMILIAR)),),
        lambda: _reading(rng, excluded),
        lambda: _copying(rng),
        lambda: _echoing(rng),
        lambda: (Segment(realise(sample_meaning(rng), "bo", rng, switched=switched_slots(rng, mix))),),
        lambda: _parallel(rng, mix),
    )
    for kind in rng.choices(kinds, weights=mix[: len(kinds)], k=count):
        yield kind()


def _caption(rng: random.Random) -> str:
    return realise(sample_meaning(rng), "zh", rng)


def switched_slots(rng: random.Random, mix: Mix) -> list[str]:
    """Draw which slots of a Tibetan sentence keep the Chinese word; often none."""
    if rng.random() >= mix.switched_documents:
        return []
    return [slot for slot in SLOTS if rng.random() < mix.switched_slots]


def _parallel(rng: random.Random, mix: Mix) -> Document:
    meaning = sample_meaning(rng)
    sides = [realise(meaning, "zh", rng), realise(meaning, "bo", rng, switched=switched_slots(rng, mix))]
    if rng.random() < 0.25:  # noqa: PLR2004 - most text is translated into Tibetan
        sides.reverse()
    source, target = sides
    return Segment(source + "\n", 0.4), Segment(target, 2.5)


def _copying(rng: random.Random) -> Document:
    text = "".join(rng.choices(VOCABULARY, k=rng.randint(4, 10)))
    return (Segment(f"复述：{text}\n{text}"),)


def _echoing(rng: random.Random) -> Document:
    text = _caption(rng)
    request = rng.choice(REQUESTS_TO_REPEAT).format(text)
    return Segment(CHAT_TURN.format(prompt=request), 0.2), Segment(text + "<|im_end|>\n", 2.0)


def _reading(rng: random.Random, excluded: Collection[str]) -> Document:
    item = sample_item(rng, excluded)
    prompt = CHAT_TURN.format(prompt=item.prompt)
    return Segment(prompt, 0.2), Segment(item.answer + "<|im_end|>\n", 3.0)
