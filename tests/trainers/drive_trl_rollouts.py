"""TRL's rollouts, given the suite's answers: an environment that pays, and the worker process of AsyncGRPO."""

import asyncio
import json
from collections import Counter
from typing import Any

from accelerate import PartialState
from datasets import Dataset
from drive_trl_classes import ROWS, last_table, trained
from my_environment_trl import Translation
from recording import POLICY
from samples import ANSWERS, samples
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOTrainer
from trl.chat_template_utils import qwen3_instruct_2507_chat_template
from trl.experimental.async_grpo import async_rollout_worker as worker_module
from trl_cases import fresh_reward, prompts, record_all, row


def answers_to(prompt: str) -> list[str]:
    """The four answers to the question in a prompt."""
    return [sample.answer for sample in samples() if sample.prompt in prompt]


def tool_tokenizer() -> Any:
    """The policy's tokenizer, with a chat template that has tools."""
    tokenizer = AutoTokenizer.from_pretrained(POLICY)
    tokenizer.chat_template = qwen3_instruct_2507_chat_template
    return tokenizer


def token_ids(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a text and of the end of the turn."""
    return tokenizer(text + tokenizer.eos_token, add_special_tokens=False)["input_ids"]


class CallsTheTool(GRPOTrainer):
    """GRPO whose policy hands in the answers with a tool, and then says that it is done."""

    def _generate_single_turn(self, prompt_ids: Any, images: Any, fields: Any, num_generations: int, **options: Any):
        texts = ["done"] * len(prompt_ids)
        if num_generations == ANSWERS:  # the first turn
            for place, prompt in enumerate(self.processing_class.batch_decode(prompt_ids)):
                call = {"name": "submit", "arguments": {"translation": answers_to(prompt)[place % ANSWERS]}}
                texts[place] = f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>"
        return [token_ids(self.processing_class, text) for text in texts], None


def environments() -> None:
    """The page's environment pays for what was handed in."""
    fresh_reward()
    model = AutoModelForCausalLM.from_pretrained(POLICY, max_position_embeddings=4096)  # the tool's description is long
    arguments = {"model": model, "processing_class": tool_tokenizer(), "environment_factory": Translation}
    trained("environments", {"max_completion_length": 1000}, CallsTheTool, **arguments)
    found = []
    for line in last_table("environments").to_dict("records"):
        (call,) = line["completion"][0]["tool_calls"]
        answer = call["function"]["arguments"]["translation"]
        found.append(row(line["prompt"][0]["content"], answer, {"total": line["Translation"]}))
    record_all("`GRPOTrainer`, an environment's `get_reward`; known answers", found)


class KnownAnswers(worker_module._AsyncRolloutLoop):
    """TRL's loop of the worker process, without its requests to vLLM."""

    async def _run_loops(self, stop_event: asyncio.Event) -> None:
        self.asked: Counter[str] = Counter()
        await asyncio.gather(self._generate_loop(stop_event=stop_event), self._score_loop(stop_event=stop_event))

    async def _generate_one_turn(self, prompt_ids: list[int]) -> tuple[list[int], list[float]]:
        prompt = self.tokenizer.decode(prompt_ids)
        ids = token_ids(self.tokenizer, answers_to(prompt)[self.asked[prompt] % ANSWERS])
        self.asked[prompt] += 1
        return ids, [0.0] * len(ids)


def asynchronous() -> None:
    """The first 16 groups of an endless run."""
    worker_module.is_vllm_available = worker_module.is_aiohttp_available = lambda: True  # only requests need them
    PartialState(cpu=True)  # as a trainer has
    tokenizer = tool_tokenizer()
    sizes = {"num_generations": ANSWERS, "max_inflight_tasks": ROWS, "queue_maxsize": ROWS}
    worker_module.AsyncRolloutWorker._loop_cls = KnownAnswers
    worker = worker_module.AsyncRolloutWorker(
        model_name=POLICY,
        dataset=Dataset.from_list(prompts()),
        reward_funcs=[fresh_reward()],
        processing_class=tokenizer,
        eos_token_ids=[tokenizer.eos_token_id],
        **sizes,
    )
    worker.start()
    found = []
    for _ in range(ROWS):
        sample = worker.rollout_buffer.get(timeout=600)
        values = {"total": sample.metrics["rewards/composite"]}
        found.append(row(sample.prompt[0]["content"], sample.completion[0]["content"], values))
    worker.stop()
    record_all("AsyncGRPO's `AsyncRolloutWorker`, in its process; known answers", found)
