"""What a policy is worth: quality, language, leaks, reading comprehension, drift; in the miniature, exact meaning.

Whatever can be counted per answer is written beside the answer, so that policies can be compared pair by pair.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from semreward import Calibration, ChrfReward, Encoder, LanguageConsistencyReward, calibrate, similarities
from semreward.calibration import Statistic
from semreward.evaluation import (
    ChatModel,
    Distribution,
    Score,
    bleu_score,
    choice_scores,
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
from tibetan.arguments import Settings
from tibetan.data import Row, local_path, read_texts
from tibetan.generation import generate
from tibetan.leak import leaked_words, read_words
from tibetan.policy import load_adapted, load_base, load_tokenizer
from tibetan.rewards import language_detector
from tibetan.world import PARSERS


@dataclass(frozen=True)
class Evaluator:
    """Measures policies of one run, all in the same way.

    Attributes:
        settings: The base policy, the texts and questions, sizes, precision, and how completions are sampled.
        encoder: The encoder that pays the reward.
        held_out: An encoder that the reward does not know.
        data_folder: Folder of the data stage, where source words in answers are to be counted.
    """

    settings: Settings
    encoder: Encoder
    held_out: Encoder | None
    data_folder: Path | None = None

    @property
    def parser_language(self) -> str | None:
        """`zh` or `bo` where the references are sentences of the miniature grammar."""
        return self.settings.data.target_language if self.settings.run.miniature else None

    @property
    def fingerprints(self) -> list[str]:
        """Those of the encoders."""
        return [encoder.fingerprint for encoder in (self.encoder, self.held_out) if encoder is not None]

    def calibrate(self, folder: Path, *, rows: Sequence[Row], adapter: Path) -> None:
        """Measure tau on samples of a policy; writes `calibration.json` and `samples.jsonl`.

        Samples are drawn as GRPO draws them, as many of each prompt, for prompts that no training uses.
        """
        set_seed(self.settings.grpo.seed)
        tokenizer, base = self._loaded()
        model = load_adapted(base, adapter)
        group = self.settings.grpo.num_generations or 1
        sampled = [row for row in rows for _ in range(group)]
        answers = self._answer(model, tokenizer, sampled, "sampling", sampled=True)
        references = [row["reference"] for row in sampled]
        calibration = calibrate(
            self.encoder,
            answers,
            references,
            samples_per_prompt=group,
            statistic=_statistic(self.settings.reward.threshold_statistic),
        )
        cosines = similarities(self.encoder, answers, references).tolist()
        _write_samples(folder / "samples.jsonl", sampled, answers, {"similarity": cosines})
        calibration.save(folder / "calibration.json")
        print(calibration)

    def evaluate(self, folder: Path, *, rows: Sequence[Row], adapter: Path | None) -> None:
        """Measure a policy, the base where there is no adapter; writes `scores.json` and `samples.jsonl`."""
        tokenizer, base = self._loaded()
        model: Any = base if adapter is None else load_adapted(base, adapter)
        scores: dict[str, Any] = {"drift": self._drift(model, tokenizer, rows, adapted=adapter is not None)}
        if adapter is not None:
            model = model.merge_and_unload()  # generation without the adapter's detour
        answers = self._answer(model, tokenizer, rows, "answering")
        scores |= self._quality(answers, [row["reference"] for row in rows])
        each = self._each(answers, rows)
        if "leaked_words" in each:
            scores["source_leak"] = {"value": sum(map(bool, each["leaked_words"])) / len(rows)}
        scores["reading"] = self._reading(model, tokenizer, folder)
        scores["choice"] = self._choice(model, tokenizer)
        (folder / "scores.json").write_text(json.dumps(scores, indent=2, ensure_ascii=False), encoding="utf-8")
        _write_samples(folder / "samples.jsonl", rows, answers, each)

    def _loaded(self) -> tuple[PreTrainedTokenizerBase, Any]:  # models are untyped where they are moved
        policy = self.settings.policy
        base: Any = load_base(policy, self.settings.grpo)
        return load_tokenizer(policy), base.to(self.settings.grpo.device).eval()

    def _answer(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        rows: Sequence[Row],
        title: str,
        *,
        sampled: bool = False,
    ) -> list[str]:
        return generate(
            model,
            tokenizer,
            [row["prompt"] for row in rows],
            max_tokens=self.settings.grpo.max_completion_length or 256,
            batch_size=self.settings.evaluation.generation_batch,
            title=title,
            temperature=self.settings.grpo.temperature if sampled else 0.0,
            top_p=self.settings.grpo.top_p,
        )

    def _quality(self, answers: list[str], references: list[str]) -> dict[str, Any]:
        scores: dict[str, Score] = {
            "similarity": similarity_score(self.encoder, answers, references),
            "bleu": bleu_score(answers, references),
            "chrf": chrf_score(answers, references),
            "rouge_l": rouge_l_score(answers, references),
            "language_consistency": language_consistency_score(
                answers, self.settings.data.target_language, detector=language_detector(self.settings.reward)
            ),
        }
        if self.held_out is not None:
            scores["held_out_similarity"] = similarity_score(self.held_out, answers, references)
        measured: dict[str, Any] = {name: dataclasses.asdict(score) for name, score in scores.items()}
        if self.parser_language is not None:
            measured |= _meaning(answers, references, self.parser_language, self.settings.data.task)
        return measured

    def _each(self, answers: list[str], rows: Sequence[Row]) -> dict[str, list[Any]]:
        """What is known of each answer."""
        references = [row["reference"] for row in rows]
        language = LanguageConsistencyReward(
            self.settings.data.target_language, detector=language_detector(self.settings.reward)
        )
        found: dict[str, list[Any]] = {
            "similarity": similarities(self.encoder, answers, references).tolist(),
            "chrf": ChrfReward()(completions=answers, reference=references),
            "language_consistency": language(completions=answers),
        }
        if self.held_out is not None:
            found["held_out_similarity"] = similarities(self.held_out, answers, references).tolist()
        if self.data_folder is not None:
            foreign = read_words(str(self.data_folder))
            found["leaked_words"] = [
                leaked_words(answer, row["source"], foreign) for answer, row in zip(answers, rows, strict=True)
            ]
        return found

    def _choice(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any] | None:
        """The reading test for a policy that is too small to answer in words."""
        size = self.settings.evaluation.choice_size
        if self.settings.data.reading_data is None or not size:
            return None
        questions = first_questions(local_path(self.settings.data.reading_data), size)
        return dataclasses.asdict(choice_scores(model, tokenizer, questions))

    def _reading(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path
    ) -> dict[str, Any] | None:
        if self.settings.data.reading_data is None:
            return None
        questions: Any = local_path(self.settings.data.reading_data)  # a file, or what is taken of it
        if (size := self.settings.data.reading_size) is not None:
            questions = first_questions(questions, size)
        answers = reading_answers(
            ChatModel(model, tokenizer, max_tokens=self.settings.evaluation.reading_max_tokens),
            questions,
            path=folder / "reading.jsonl",
            prompt=self.settings.data.reading_prompt,
            batch_size=self.settings.evaluation.generation_batch,
        )
        (folder / "reading_answers.json").write_text(json.dumps(answers, ensure_ascii=False), encoding="utf-8")
        return dataclasses.asdict(cmrc_scores(answers, questions))

    def _drift(
        self, model: Any, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], *, adapted: bool
    ) -> dict[str, Any] | None:
        """NLL and KL to the base off the task, and KL on the task: on the references' tokens, after their prompts."""
        if self.settings.data.drift_data is None:
            return None
        texts = read_texts(self.settings.data.drift_data, self.settings.evaluation.drift_size)
        limit = self.settings.evaluation.drift_max_tokens
        nll = token_nll(model, tokenizer, texts, max_tokens=limit)
        # The base does not differ from itself.
        kl = (
            token_kl(model, None, tokenizer, texts, max_tokens=limit)
            if adapted
            else Distribution(0, 0, 0, 0, nll.tokens)
        )
        measured = {"nll": dataclasses.asdict(nll), "kl_to_base": dataclasses.asdict(kl)}
        if on_task := rows[: self.settings.evaluation.task_drift_size]:
            prompts = [
                str(tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True))
                for row in on_task
            ]
            texts = [row["reference"] for row in on_task]
            task = (
                token_kl(model, None, tokenizer, texts, contexts=prompts, max_tokens=limit)
                if adapted
                else Distribution(0, 0, 0, 0, 0)
            )
            measured["kl_to_base_on_task"] = dataclasses.asdict(task)
        return measured


def load_calibration(folder: Path) -> Calibration:
    """The calibration that a stage wrote."""
    return Calibration.load(folder / "calibration.json")


def _statistic(named: str) -> Statistic:
    """What a setting names: a statistic, or a quantile."""
    return float(named) if named.replace(".", "", 1).isdigit() else cast("Statistic", named)


def _meaning(answers: Sequence[str], references: Sequence[str], language: str, task: str) -> dict[str, Any]:
    """What the grammar's parser says: shares of exact meanings and grammatical sentences, mean slot accuracy."""
    judged = [PARSERS[task](answer, reference, language) for answer, reference in zip(answers, references, strict=True)]
    names = {"exact_meaning": "exact", "slot_accuracy": "slot_accuracy", "grammatical": "grammatical"}
    return {
        name: {
            "value": sum(float(getattr(one, attribute)) for one in judged) / len(judged),
            "signature": f"{name}|judge:miniature grammar's parser|language:{language}",
        }
        for name, attribute in names.items()
    }


def _write_samples(
    path: Path, rows: Sequence[Row], answers: Sequence[str], columns: Mapping[str, Sequence[Any]]
) -> None:
    lines = [
        {"source": row["source"], "reference": row["reference"], "answer": answer}
        | {name: values[number] for name, values in columns.items()}
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True))
    ]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
