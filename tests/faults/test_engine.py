"""Exceptions at any point, texts that fail, and bounds of the engine."""

import contextlib
import dis
import json
import threading

import numpy as np
import pytest

from doubles import BigramEncoder
from faults.soak import soak
from semreward import CompositeReward, LanguageConsistencyReward, SemanticSimilarityReward
from semreward.encoders.engine import Engine, close_engine, engine_of
from semreward.encoders.vectors import PreparingModel, VectorCache
from semreward.errors import ArgumentError, EncoderError, EncoderUnavailableError, UnreadableTextError
from semreward.rewards.similarity import similarities

ENCODER = BigramEncoder()


class Failing:
    """An encoder that raises for `bad`, gives NaN for `broken`, and counts its passes."""

    fingerprint = "failing"

    def __init__(self, error=ValueError):
        self.error = error
        self.passes = 0

    def encode(self, texts, /):
        self.passes += 1
        if "bad" in texts:
            raise self.error("a bad text")
        rows = ENCODER.encode(texts)
        rows[[text == "broken" for text in texts]] = np.nan
        return rows


class Dead:
    """An encoder that raises for every text."""

    fingerprint = "dead"

    def __init__(self, error):
        self.error = error
        self.passes = 0

    def encode(self, texts, /):
        self.passes += 1
        raise self.error("no kernel")


class KnowingLetters(PreparingModel):
    """A model whose tokenizer knows only ASCII."""

    def prepared(self, texts):
        known = [text for text in texts if text.isascii()]
        if known:
            yield known, known
        for text in texts:
            if not text.isascii():
                yield [text], UnreadableTextError(f"every token of {text!r} is unknown")

    def forward(self, inputs):
        return ENCODER.encode(inputs)


class LettersOnly:
    """The encoder of that model."""

    fingerprint = "letters only"

    def open_model(self):
        return KnowingLetters()

    def encode(self, texts, /):
        return engine_of(self).encode(texts)


@pytest.fixture
def letters():
    encoder = LettersOnly()
    yield encoder
    close_engine(encoder)


# An exception between two steps


@pytest.mark.parametrize("bad", [None, "", 3])
def test_a_text_that_is_refused_leaves_no_other_waiting(bad):
    encoder = BigramEncoder(40)
    engine = engine_of(encoder)
    with pytest.raises(ArgumentError):
        engine.encode(["a cat", bad])
    assert SemanticSimilarityReward(encoder, threshold=0.5)(completions=["a cat"], reference=["a cat"]) == [
        pytest.approx(1.0)
    ]


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, SystemExit, OSError])
def test_whatever_a_model_raises_once_its_texts_are_encoded_at_the_next_call(error):
    errors = [error("once"), error("twice")]

    def forward(batch):
        if errors:
            raise errors.pop()
        return ENCODER.encode(batch)

    engine = Engine(lambda: forward)
    with pytest.raises(error):
        engine.encode(["a cat", "a dog"])
    errors.clear()
    assert np.array_equal(engine.encode(["a cat"]), ENCODER.encode(["a cat"]))


def test_a_caller_that_is_interrupted_while_it_waits_blocks_nobody(monkeypatch):
    """An exception where an event takes its lock, as Ctrl-C can raise it, leaves that lock taken for ever."""
    engine, found, interrupted = Engine(lambda: ENCODER.encode), [], set()
    engine.encode(["before"])
    enter = threading.Condition.__enter__

    def entered(condition):
        taken = enter(condition)
        if threading.get_ident() in interrupted:
            interrupted.clear()
            raise KeyboardInterrupt
        return taken

    def call(text):
        if text == "first":
            interrupted.add(threading.get_ident())
        with contextlib.suppress(KeyboardInterrupt):
            found.append(engine.encode([text]))

    monkeypatch.setattr(threading.Condition, "__enter__", entered)
    for text in ("first", "second"):
        caller = threading.Thread(target=call, args=(text,), daemon=True)
        caller.start()
        caller.join(20)  # a hang fails the test
        interrupted.clear()
    assert any(np.array_equal(rows, ENCODER.encode(["second"])) for rows in found)


# Each text's failure is its own


@pytest.mark.parametrize("bad", ["bad", "broken"])
def test_a_bad_text_of_a_lone_call_stands_alone(bad):
    vectors, errors = Engine(lambda: Failing().encode).encode_each(["good", bad, "better", "best"])
    assert (sorted(vectors), list(errors)) == (["best", "better", "good"], [bad])
    assert isinstance(errors[bad], EncoderError)


def test_what_a_text_made_the_model_raise_is_named_and_kept():
    _, errors = Engine(lambda: Failing().encode).encode_each(["good", "bad"])
    assert "failed at 'bad': ValueError('a bad text')" in str(errors["bad"])
    assert isinstance(errors["bad"].__cause__, ValueError)


@pytest.mark.parametrize("bad", ["bad", "broken"])
def test_one_bad_text_costs_its_row_and_no_other(bad, caplog):
    reward = SemanticSimilarityReward(Failing(), threshold=0.1, on_error="none")
    logged = {}
    completions = ["good", bad, "better", "best"]
    values = reward(completions=completions, reference=["good"] * 4, log_metric=logged.__setitem__)
    assert [value is None for value in values] == [False, True, False, False]
    assert logged["semantic_similarity/encoder_errors"] == 1.0
    assert "1 rows get no reward" in caplog.text


def test_a_bad_reference_costs_its_rows():
    reward = SemanticSimilarityReward(Failing(), threshold=0.1, on_error="none")
    assert reward(completions=["good", "good"], reference=[["good", "bad"], "good"])[0] is None


@pytest.mark.parametrize("bad", ["bad", "broken"])
def test_one_bad_text_is_an_error_by_default(bad):
    with pytest.raises(EncoderError, match=f"'{bad}'"):
        SemanticSimilarityReward(Failing(), threshold=0.1)(completions=["good", bad], reference=["good"] * 2)


def test_a_row_that_cannot_be_encoded_trains_on_no_other_component():
    parts = [(SemanticSimilarityReward(Failing(), threshold=0.1), 1.0), (LanguageConsistencyReward("en"), 1.0)]
    values = CompositeReward(parts, on_error="none")(completions=["good", "bad"], reference=["good"] * 2)
    assert values == [pytest.approx(2.0), None]


@pytest.mark.parametrize("error", [RuntimeError, EncoderError])
def test_a_model_that_fails_at_every_text_is_no_outage(error):
    dead = Dead(error)
    reward = SemanticSimilarityReward(dead, threshold=0.1, on_error="none")
    with pytest.raises(error, match="no kernel"):
        reward(completions=[f"text {number}" for number in range(32)], reference=["good"] * 32)
    assert dead.passes == 2


def test_a_model_that_returns_one_row_for_several_texts_is_no_texts_fault():
    engine = Engine(lambda: lambda batch: ENCODER.encode(batch[:1]))
    with pytest.raises(EncoderError, match="shape .1, 64. for 2 texts"):
        engine.encode(["a cat", "a dog"])


def test_vectors_of_nan_for_every_text_are_no_outage():
    reward = SemanticSimilarityReward(Failing(), threshold=0.1, on_error="none")
    with pytest.raises(EncoderError, match="norm nan"):
        reward(completions=["broken"] * 2, reference=["broken"] * 2)


def test_an_outage_is_asked_once():
    away = Dead(EncoderUnavailableError)
    reward = SemanticSimilarityReward(away, threshold=0.1, on_error="none")
    assert reward(completions=["a", "b", "c"], reference=["d"] * 3) == [None] * 3
    assert away.passes == 1


# Texts of unknown tokens only


def test_an_unreadable_answer_earns_nothing_and_is_counted(letters):
    logged, columns = {}, {}
    values = SemanticSimilarityReward(letters, threshold=-1.0)(
        completions=["cat", "ཀཀ"],
        reference=["cat"] * 2,
        log_metric=logged.__setitem__,
        log_extra=columns.__setitem__,
    )
    assert values == [pytest.approx(1.0), 0.0]
    assert logged["semantic_similarity/unreadable"] == 0.5
    assert columns["semantic_similarity/similarity"] == [pytest.approx(1.0), 0.0]


def test_an_unreadable_answer_is_no_error_of_the_encoder(letters):
    logged = {}
    reward = SemanticSimilarityReward(letters, threshold=0.5, on_error="none")
    reward(completions=["ཀཀ"], reference=["cat"], log_metric=logged.__setitem__)
    assert logged["semantic_similarity/encoder_errors"] == 0.0


@pytest.mark.parametrize("on_error", ["raise", "none"])
def test_an_unreadable_reference_is_an_error_that_names_column_row_and_remedy(letters, on_error):
    reward = SemanticSimilarityReward(letters, threshold=0.5, on_error=on_error, reference_column="target")
    with pytest.raises(ArgumentError, match="column `target` .* at row 1; use an encoder that was trained on this"):
        reward(completions=["cat", "cat"], target=["cat", ["cat", "ཀཀ"]])


def test_the_similarity_of_an_unreadable_answer_is_0(letters):
    assert similarities(letters, ["cat", "ཀཀ"], ["cat"] * 2).tolist() == pytest.approx([1.0, 0.0])


def test_encoding_an_unreadable_text_is_an_error(letters):
    with pytest.raises(UnreadableTextError):
        letters.encode(["cat", "ཀཀ"])


# Bounds


def test_what_callers_do_with_their_texts_does_not_change_the_caches_count():
    cache = VectorCache(50_000)
    row = np.zeros(4, dtype=np.float32)
    for number in range(300):
        text = "ཀ" * 200 + str(number)
        cache.put({text: row})
        json.dumps(text, ensure_ascii=False).encode()
        text.encode()  # Python keeps these bytes in the string
    cache.put({"ཁ" * 60_000: row})
    held = [*cache._kept, *cache._others]
    assert sum(len(text) * 5 for text in held) <= cache.used_bytes <= 50_000


def test_a_text_that_is_looked_up_to_be_kept_is_in_one_place_at_any_time():
    """An exception after a call of `pop` would lose what it took out."""
    called = [item.argval for item in dis.get_instructions(VectorCache.get)]
    assert "pop" not in called


def test_an_encoder_that_returns_its_own_buffer_gets_no_reward_wrong():
    class Reusing(BigramEncoder):
        buffer = np.zeros((64, 56), dtype=np.float32)

        def encode(self, texts, /):
            self.buffer[: len(texts)] = super().encode(texts)
            return self.buffer[: len(texts)]

    texts = [f"{number} texts" for number in range(65)]
    call = {"completions": texts, "reference": texts[::-1]}
    ours, plain = (SemanticSimilarityReward(encoder, threshold=0.1) for encoder in (Reusing(56), BigramEncoder(56)))
    assert ours(**call) == pytest.approx(plain(**call), abs=1e-6)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_interrupts_failures_and_closings_at_random_leave_nothing_wrong_and_nobody_waiting():
    assert soak(5.0, seed=0)["engine"] > 0
