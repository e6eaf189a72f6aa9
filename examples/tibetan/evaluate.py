"""Measures a policy: quality, language, leaks, reading comprehension, drift; in the miniature, exact meaning.

Every number per answer is written beside the answer, so that policies can be compared pair by pair.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import set_seed

from semreward import ChrfReward, Encoder, LanguageConsistencyReward, calibrate, ranking, similarities
from semreward.errors import ArgumentError
from semreward.evaluation import (
    ChatModel,
    Distribution,
    bleu_score,
    chrf_score,
    cmrc_scores,
    first_questions,
    language_consistency_score,
    reading_answers,
    rouge_l_score,
    similarity_score,
    token_kl,
    token_nll,
)
from semreward.files import write_text
from tibetan.arguments import Settings
from tibetan.choice import choice_scores
from tibetan.data import Row, local_path, read_texts, write_rows
from tibetan.generation import generate
from tibetan.leak import leaked_words, read_foreign_words
from tibetan.policy import load_adapted, load_base, load_tokenizer
from tibetan.rewards import language_detector
from tibetan.world import PARSERS

Scores = dict[str, Any]


@dataclass(frozen=True)
class Evaluator:
    """Measures policies of one run, all in the same way."""

    settings: Settings
    encoder: Encoder  # pays the reward
    held_out: Encoder | None  # only judges
    data_folder: Path | None = None  # of the data stage, to count source words in answers

    @property
    def parser_language(self) -> str | None:
        """`zh` or `bo` where the references are sentences of the miniature grammar."""
        return self.settings.data.target_language if self.settings.run.miniature else None

    @property
    def fingerprints(self) -> list[str]:
        """Those of the encoders."""
        return [encoder.fingerprint for encoder in (self.encoder, self.held_out) if encoder is not None]

    def calibrate(self, folder: Path, *, rows: Sequence[Row], adapter: Path) -> None:
        """Measure tau on samples of a policy, drawn as GRPO draws them; writes `calibration.json` and the samples."""
        run, statistic = self.settings.grpo, self.settings.reward.threshold_statistic
        set_seed(run.seed)
        model, tokenizer = self._load(adapter)
        group = run.num_generations or 1
        sampled = [row for row in rows for _ in range(group)]
        answers = generate(model, tokenizer, sampled, self.settings, temperature=run.temperature)
        references = [row["reference"] for row in sampled]
        named: Any = float(statistic) if statistic.replace(".", "", 1).isdigit() else statistic  # a word or a quantile
        calibration = calibrate(self.encoder, answers, references, samples_per_prompt=group, statistic=named)
        cosines = similarities(self.encoder, answers, references).tolist()
        _write_samples(folder, sampled, answers, {"similarity": cosines})
        calibration.save(folder / "calibration.json")
        print(calibration)
        grades = {"chrF": ChrfReward()(completions=answers, reference=references)}
        if self.held_out is not None:
            grades["the held-out encoder"] = similarities(self.held_out, answers, references).tolist()
        for name, graded in grades.items():
            sources = [row["source"] for row in sampled]
            try:
                found: Any = ranking(cosines, [*zip(sources, answers, references, graded, strict=True)])
            except ArgumentError as error:  # too few samples that differ
                found = error
            print(f"\nSamples of one prompt, graded by {name}:\n{found}")
        write_sheet(folder / "to_grade.tsv", sampled, answers)

    def evaluate(self, folder: Path, *, rows: Sequence[Row], adapter: Path | None) -> None:
        """Measure a policy, the base without an adapter; writes `scores.json` and `samples.jsonl`."""
        model, tokenizer = self._load(adapter)
        scores: Scores = {"drift": self._drift(model, tokenizer, rows, is_base=adapter is None)}
        if adapter is not None:
            model = model.merge_and_unload()  # generation without the adapter's detour
        answers = generate(model, tokenizer, rows, self.settings)
        scores |= self._quality(answers, [row["reference"] for row in rows])
        each = self._each(answers, rows)
        if "leaked_words" in each:
            scores["source_leak"] = {"value": sum(map(bool, each["leaked_words"])) / len(rows)}
        scores |= self._reading(model, tokenizer, folder)
        (folder / "scores.json").write_text(json.dumps(scores, indent=2, ensure_ascii=False), encoding="utf-8")
        _write_samples(folder, rows, answers, each)

    def _load(self, adapter: Path | None) -> tuple[Any, Any]:  # models and tokenizers are untyped where they are used
        policy, run = self.settings.policy, self.settings.grpo
        base: Any = load_base(policy, run)
        base = base.to(run.device).eval()
        return base if adapter is None else load_adapted(base, adapter), load_tokenizer(policy)

    def _quality(self, answers: list[str], references: list[str]) -> Scores:
        data, detector = self.settings.data, language_detector(self.settings.reward)
        scores: Scores = {
            "similarity": asdict(similarity_score(self.encoder, answers, references)),
            "bleu": asdict(bleu_score(answers, references)),
            "chrf": asdict(chrf_score(answers, references)),
            "rouge_l": asdict(rouge_l_score(answers, references)),
            "language_consistency": asdict(
                language_consistency_score(answers, data.target_language, detector=detector)
            ),
        }
        if self.held_out is not None:
            scores["held_out_similarity"] = asdict(similarity_score(self.held_out, answers, references))
        if self.parser_language is not None:
            scores |= _meaning(answers, references, self.parser_language, data.task)
        return scores

    def _each(self, answers: list[str], rows: Sequence[Row]) -> dict[str, list[Any]]:
        """The numbers per answer."""
        references = [row["reference"] for row in rows]
        detector = language_detector(self.settings.reward)
        language = LanguageConsistencyReward(self.settings.data.target_language, detector=detector)
        found: dict[str, list[Any]] = {
            "similarity": similarities(self.encoder, answers, references).tolist(),
            "chrf": ChrfReward()(completions=answers, reference=references),
            "language_consistency": language(completions=answers),
        }
        if self.held_out is not None:
            found["held_out_similarity"] = similarities(self.held_out, answers, references).tolist()
        if self.data_folder is not None:
            foreign = read_foreign_words(str(self.data_folder))
            pairs = zip(answers, rows, strict=True)
            found["leaked_words"] = [leaked_words(answer, row["source"], foreign) for answer, row in pairs]
        return found

    def _reading(self, model: Any, tokenizer: Any, folder: Path) -> Scores:
        """The reading test in words, and as a choice for a policy that is too small to answer in words."""
        data, evaluation = self.settings.data, self.settings.evaluation
        scores: Scores = {"reading": None, "choice": None}
        if data.reading_data is None:
            return scores
        path = local_path(data.reading_data)
        questions: Any = path if data.reading_size is None else first_questions(path, data.reading_size)
        answers = reading_answers(
            ChatModel(model, tokenizer, max_tokens=evaluation.reading_max_tokens),
            questions,
            path=folder / "reading.jsonl",
            prompt=data.reading_prompt,
            batch_size=evaluation.generation_batch,
        )
        (folder / "reading_answers.json").write_text(json.dumps(answers, ensure_ascii=False), encoding="utf-8")
        scores["reading"] = asdict(cmrc_scores(answers, questions))
        if size := evaluation.choice_size:
            scores["choice"] = asdict(choice_scores(model, tokenizer, first_questions(path, size)))
        return scores

    def _drift(self, model: Any, tokenizer: Any, rows: Sequence[Row], *, is_base: bool) -> Scores | None:
        """NLL and KL to the base off the task, and KL on the task: on the references' tokens, after their prompts."""
        data, evaluation = self.settings.data.drift_data, self.settings.evaluation
        if data is None:
            return None
        limit = evaluation.drift_max_tokens
        texts = read_texts(data, evaluation.drift_size)
        nll = token_nll(model, tokenizer, texts, max_tokens=limit)
        kl = Distribution(0, 0, 0, 0, nll.tokens)  # the base does not differ from itself
        if not is_base:
            kl = token_kl(model, None, tokenizer, texts, max_tokens=limit)
        measured = {"nll": asdict(nll), "kl_to_base": asdict(kl)}
        if on_task := rows[: evaluation.task_drift_size]:
            task = Distribution(0, 0, 0, 0, 0)
            if not is_base:
                turns = [row["prompt"] for row in on_task]
                prompts = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
                references = [row["reference"] for row in on_task]
                task = token_kl(model, None, tokenizer, references, contexts=prompts, max_tokens=limit)
            measured["kl_to_base_on_task"] = asdict(task)
        return measured


def _meaning(answers: Sequence[str], references: Sequence[str], language: str, task: str) -> Scores:
    """The parser's verdict: shares of exact meanings and grammatical sentences, mean slot accuracy."""
    judged = [PARSERS[task](answer, reference, language) for answer, reference in zip(answers, references, strict=True)]
    names = {"exact_meaning": "exact", "slot_accuracy": "slot_accuracy", "grammatical": "grammatical"}
    return {
        name: {
            "value": sum(float(getattr(verdict, attribute)) for verdict in judged) / len(judged),
            "signature": f"{name}|judge:miniature grammar's parser|language:{language}",
        }
        for name, attribute in names.items()
    }


def write_sheet(path: Path, rows: Sequence[Row], answers: Sequence[str]) -> None:
    """Up to 100 answers for people to grade, four per prompt, in random order; `number` is the index of the sample."""
    numbers: dict[str, dict[str, int]] = {}  # of distinct answers, by source
    for number, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        numbers.setdefault(row["source"], {}).setdefault(answer, number)
    rng = random.Random(0)  # noqa: S311 - nothing secret
    prompts = [[*found.values()][:4] for found in numbers.values() if len(found) > 1]
    chosen = [number for found in rng.sample(prompts, len(prompts)) for number in found][:100]
    rng.shuffle(chosen)
    cells = [(str(number), rows[number]["source"], answers[number], rows[number]["reference"], "") for number in chosen]
    lines = [("number", "source", "answer", "reference", "grade"), *cells]
    write_text(path, "".join("\t".join(" ".join(cell.split()) for cell in line) + "\n" for line in lines))


def _write_samples(
    folder: Path, rows: Sequence[Row], answers: Sequence[str], columns: Mapping[str, Sequence[Any]]
) -> None:
    samples = []
    for number, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        found = {name: values[number] for name, values in columns.items()}
        samples.append({"source": row["source"], "reference": row["reference"], "answer": answer, **found})
    write_rows(folder / "samples.jsonl", samples)
