"""The names that `bad_calls.py` and `test_frozen_surface.py` call by: sound arguments, of which a call replaces some.

Names of the package are looked up at the call, so that one that has moved fails its own calls only.
"""

import asyncio  # noqa: F401 - for the table
import contextlib
import importlib
import io
import json
import math
import pickle  # noqa: F401 - for the table
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np  # noqa: F401 - for the table

import semreward as sr
from doubles import BigramEncoder, FixedEncoder, returning  # noqa: F401 - for the table
from embedding_server import answering, embedding_server, encoder_of
from judge_server import judge_server
from semreward import adaptation, audit, evaluation, testing
from semreward.monitor import alarms  # noqa: F401

E = BigramEncoder()
BO = "བོད་ཡིག"
TWO = {"completions": [BO, BO], "reference": [BO, BO]}
NAN, INF = math.nan, math.inf

_REWARDS = """
from doubles import BigramEncoder
from semreward import LanguageConsistencyReward, SemanticSimilarityReward, paper_reward

similarity = SemanticSimilarityReward(BigramEncoder(), threshold=0.5)
paper = paper_reward(BigramEncoder(), "bo", 0.5)
language = LanguageConsistencyReward("bo")


def length(completions, **columns):
    return [float(len(completion)) for completion in completions]


def not_finite(completions, **columns):
    return [float("nan") for _ in completions]


def fails(completions, **columns):
    raise KeyError("no such thing")
"""

FILES = {
    "answers.jsonl": '{"key": "k", "answer": 3}\n{"key": "k", "answer": "a"}\n',
    "bad_rewards.py": _REWARDS,
    "blank_reference.jsonl": '{"completion": "a", "reference": "a"}\n{"completion": "a", "reference": ""}\n',
    "broken.json": "{",
    "broken.jsonl": '{"completion": "a", "reference": "a", "expected": 1}\n{"completion"\n',
    "broken.jsonl.gz": "this is not compressed",
    "circle.yaml": "extends: circle.yaml\n",
    "empty.jsonl": "",
    "fixture_keys.jsonl": '{"completion": "a", "completion": "b"}\n',
    "fixture_nan.jsonl": '{"completion": "a", "expected": NaN}\n',
    "fixture_none.jsonl": '{"completion": "a", "expected": 0.0}\n{"expected": 1.0}\n',
    "fixtures.jsonl": '{"completion": "a", "expected": 0.0}\n',
    "folder/notes.txt": "this is no model",
    "lid.bin": "this is not a fastText model",
    "lines.bo": "ཀ\n",
    "lines.zh": "马\n山\n",
    "mixed.jsonl": '{"completion": "a", "reference": "a"}\n{"completion": 3, "reference": "a"}\n',
    "other.yaml": "cold_start_sice: 7\n",
    "pairs.csv": "zh,bo\n马,རྟ\n",
    "pairs.txt": "马\tརྟ\n",
    "rows.jsonl": '{"completion": "བོད", "reference": "བོད"}\n{"completion": "ང", "reference": "ང་ཚོ"}\n',
    "sweep.yaml": "output_dir: runs\nseeds: [0]\ntasks: {mt: {}}\nbases: {A: {}}\nseads: [1]\n",
    "sweep_without.yaml": "output_dir: runs\n",
    "task.yaml": "task: poem\n",
    "two_names.csv": "zh,zh\na,b\n",
}

SQUAD = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": "他在北京买书。",
                    "qas": [
                        {"id": "q1", "question": "在哪里？", "answers": [{"text": "北京"}]},
                        {"id": "q2", "question": "买什么？", "answers": [{"text": "书"}]},
                    ],
                }
            ]
        }
    ]
}


def part(name):
    """A module, loaded at the call."""
    return importlib.import_module(name)


# Rewards.


def call(reward, **columns):
    """A call of two sound rows, with some columns replaced."""
    return reward(**{**TWO, **columns})


def similarity(encoder=E, threshold=0.5, **options):
    return sr.SemanticSimilarityReward(encoder, threshold=threshold, **options)


def language(tag="bo", **options):
    return sr.LanguageConsistencyReward(tag, **options)


def composite(*components, **options):
    return sr.CompositeReward([(component, 1.0) for component in components], **options)


def returns_none(**columns):
    return None


def returns_number(**columns):
    return 1.0


def nans(completions, **columns):
    return [NAN for _ in completions]


class Bounded:
    """A reward that leaves the bounds that it declares, in the second row."""

    __name__ = "bounded"
    bounds = (0.0, 1.0)

    def __call__(self, completions, **columns):
        return [1.0, 2.0]


# Encoders.


def local(name="org/encoder", **options):
    return sr.SentenceTransformerEncoder(name, **options)


def server(base_url="http://127.0.0.1:9/v1", model="model", **options):
    return sr.EmbeddingServerEncoder(base_url, model, **options)


def served(texts):
    """Texts encoded by a server that works."""
    with embedding_server() as state:
        return encoder_of(state, timeout_s=60).encode(texts)


def answered(status):
    """A text encoded by a server that always answers with this status."""
    with answering(status) as state:
        return encoder_of(state, timeout_s=60).encode(["a"])


def encoded_by(vectors):
    """A reward by an encoder that returns these vectors for two texts."""
    return similarity(FixedEncoder(vectors))(completions=["a"], reference=["b"])


# Calibration, monitor, audit, kit.


def calibrated(**changes):
    given = {"encoder": E, "completions": ["ab", "cd"], "references": ["ab", "cde"], **changes}
    return sr.calibrate(given.pop("encoder"), given.pop("completions"), given.pop("references"), **given)


def monitored(reward=None, **options):
    return sr.MonitoredReward(reward or language(), **options)


def watched(**options):
    return sr.RewardMonitor(monitored(), **options)


def reviewed(*entries):
    return watched().review(list(entries))


def audited(pairs=({"reference": BO},), reward=None, **options):
    return sr.audit_reward(reward or language(), pairs, **options)


def report():
    return audited(attacks=audit.DEFAULT_ATTACKS[:2])


def kit(examples=({"completion": BO},), reward=None, **options):
    return testing.check_reward(reward or language(), examples, spawn=False, **options)


def fixtures(path, reward=None, **options):
    return testing.check_fixtures(reward or language(), path, **options)


# Evaluation.


def policy(logit=0.0, vocabulary=8):
    """A causal language model that gives every token the same logit."""
    torch = part("torch")

    class Policy(torch.nn.Linear):
        def forward(self, input_ids, **options):
            return SimpleNamespace(logits=torch.full((*input_ids.shape, vocabulary), logit))

    return Policy(1, 1)


def letters(text, **options):
    """A tokenizer with a token for each letter."""
    return {"input_ids": [ord(letter) % 8 for letter in text]}


def nll(texts, model=None, **options):
    return evaluation.token_nll(model or policy(), letters, texts, **options)


def kl(texts, **options):
    return evaluation.token_kl(policy(), policy(), letters, texts, **options)


def squad(**question):
    """A reading test of one question, with some of its members replaced."""
    qas = [{"id": "q1", "question": "q", "answers": [{"text": "a"}], **question}]
    return {"data": [{"paragraphs": [{"context": "a", "qas": qas}]}]}


def read_by(reader, **options):
    return evaluation.reading_answers(reader, SQUAD, **options)


def silent(prompts):
    return ["" for _ in prompts]


silent.signature = "silent"


def judged(judge=lambda _prompt: "[[0]]", sources=("s",), first=("a",), second=("b",), prompt=None, **options):
    prompt = prompt or evaluation.translation_prompt()
    return evaluation.pairwise_scores(judge, list(sources), list(first), list(second), prompt=prompt, **options)


def chat(base_url="http://127.0.0.1:9/v1", model="judge", **options):
    return evaluation.ChatServer(base_url, model, **options)


def asked_without_key():
    """A prompt to a server that refuses the key."""
    refusal = (401, {"Content-Type": "application/json"}, json.dumps({"error": {"message": "no"}}).encode())
    with judge_server(respond=lambda _number, _request: refusal) as state:
        return chat(state.base_url, max_retries=0)("a prompt")


# Adaptation.


def config(**options):
    return adaptation.AdaptationConfig(**{"base": "org/encoder", "output_dir": "out", **options})


def adapted(train_pairs=(("a", "b"), ("c", "d")), settings=None, **options):
    return adaptation.adapt_encoder(settings or config(batch_size=2), train_pairs, **options)


def pairs(source, columns=(0, 1), **options):
    return adaptation.read_pairs(source, columns, **options)


# Adapters.


def adapter(module, name, reward=None, **options):
    return getattr(part(f"semreward.integrations.{module}"), name)(reward or language(), **options)


areal = partial(adapter, "areal", "areal_reward")
openrlhf = partial(adapter, "openrlhf", "openrlhf_reward")
numeric = partial(adapter, "trl", "numeric_reward")
rubric = partial(adapter, "verifiers", "rubric_reward")
slime = partial(adapter, "slime", "slime_reward")
swift = partial(adapter, "swift", "swift_reward")
task = partial(adapter, "verifiers", "task_reward")
verl = partial(adapter, "verl", "verl_reward")


def passing():
    """A reward that does not apply to rows without a `tag`."""
    return language(None, language_column="tag", on_missing="none")


# The command line.


class ExitError(Exception):
    """A command ended with another code than 0."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def cli(*arguments):
    """Run a command in this process."""
    main = part("semreward.cli").main
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            code = main(list(arguments))
        except SystemExit as stop:
            code = stop.code
    if code:
        raise ExitError(code, said.getvalue().rpartition("error: ")[2])  # without the usage, which names all options


def score(*arguments, file="rows.jsonl", reward="bad_rewards:paper"):
    return cli("score", file, "--reward", reward, *arguments)


def encoded(encoder, *arguments):
    return cli("score", "rows.jsonl", "--encoder", encoder, "--language", "bo", *arguments)


def tau(*arguments, file="rows.jsonl", reward="bad_rewards:similarity"):
    return cli("calibrate", file, "--reward", reward, *arguments)


def attacked(*arguments, file="rows.jsonl"):
    return cli("audit", file, "--reward", "bad_rewards:paper", *arguments)


def checked(*arguments):
    return cli("check", "--reward", "bad_rewards:language", *arguments)


# The examples.


def parsed(*arguments):
    return part("tibetan.arguments").parse([*arguments, "--plan"])


def aligned(name):
    return list(part("tibetan.data").read_rows(name, ["zh", "bo"]))


def sweep(name):
    return part("tables.sweep").read_sweep(Path(name))


def swept(seeds):
    return part("tables.sweep").Sweep(Path("runs"), seeds, {"mt": {}}, {"A": {}})
