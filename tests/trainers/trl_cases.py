"""What the drivers of TRL share: data, options, and the rows of what a trainer paid."""

import json
from typing import Any

import pandas as pd
from my_reward import encoder, reward
from recording import FOLDER, record, start_counting
from samples import ANSWERS, PROMPTS, questions

COMPONENTS = ["semantic_similarity", "language_consistency"]
ON_A_CPU = {"use_cpu": True, "bf16": False, "gradient_checkpointing": False}
OPTIONS = {**ON_A_CPU, "logging_steps": 1, "save_strategy": "no", "report_to": "none"}
GROUPS = {**OPTIONS, "num_generations": ANSWERS, "max_completion_length": 32, "log_completions": True}


def prompts() -> list[dict[str, Any]]:
    """The data set: 16 conversations with their references."""
    return [{"prompt": [{"role": "user", "content": text}], "reference": questions()[text]} for text in questions()]


def fresh_reward() -> Any:
    """The reward, whose encoder is to be loaded again; the count starts again."""
    encoder.close()
    start_counting()
    return reward


def recorded(*, prompts: list[Any], completions: list[Any], **columns: Any) -> list[float | None]:
    """The reward, which also writes down its calls."""
    values = reward(prompts=prompts, completions=completions, **columns)
    with (FOLDER / "calls.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"prompt": prompts, "completion": completions, "composite": values}) + "\n")
    return values


def row(prompt: str, answer: str, values: dict[str, float]) -> dict[str, Any]:
    """One answer with what was paid for it; the prompt may have been put into a template."""
    (reference,) = [reference for question, reference in questions().items() if question in prompt]
    return {"answer": answer, "reference": reference, "values": values}


def record_table(what: str, table: pd.DataFrame) -> None:
    """Record a case from TRL's table of completions: the total and the components that it has."""
    found = []
    for line in table.rename(columns={"composite": "total"}).to_dict("records"):
        values = {name: line[name] for name in ("total", *COMPONENTS) if name in line}
        found.append(row(line["prompt"][0]["content"], line["completion"][-1]["content"], values))
    record_all(what, found)


def record_all(what: str, rows: list[dict[str, Any]]) -> None:
    """Record a case with all 64 answers."""
    assert len(rows) == PROMPTS * ANSWERS, f"{what}: {len(rows)} answers"
    record(what, rows)


def check_mean(logged: float, values: pd.Series) -> None:
    """A mean in TRL's log, computed in 32 bits, is that of the values."""
    assert abs(logged - values.mean()) < 1e-5, f"{logged} was logged, {values.mean()} was paid"
