"""Stands in for vLLM, which OpenRLHF imports: an engine that knows the answers to the suite's prompts."""

import sys
import uuid
from itertools import cycle
from types import SimpleNamespace

from chat_server import ChatServer
from transformers import AutoTokenizer

__version__ = "0.29.0"  # the one that OpenRLHF 0.11.2 names
__path__: list[str] = []  # a package, whose modules are this one
sys.modules |= dict.fromkeys(("vllm.inputs", "vllm.utils"), sys.modules[__name__])

AsyncEngineArgs = SamplingParams = TokensPrompt = SimpleNamespace
random_uuid = uuid.uuid4


class AsyncLLMEngine:
    """Answers each prompt with its next answer."""

    def __init__(self, model) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.output_processor = SimpleNamespace(get_num_unfinished_requests=lambda: 0)
        self.answers = {prompt: cycle(texts) for prompt, texts in ChatServer().answers.items()}

    @classmethod
    def from_engine_args(cls, arguments):
        return cls(arguments.model)

    async def is_sleeping(self):
        return False

    async def generate(self, prompt, params, request_id):
        text = self.tokenizer.decode(prompt.prompt_token_ids)
        (answers,) = [answers for known, answers in self.answers.items() if known in text]
        ids = [*self.tokenizer(next(answers))["input_ids"], self.tokenizer.eos_token_id]
        yield SimpleNamespace(outputs=[SimpleNamespace(token_ids=ids, finish_reason="stop", logprobs=None)])
