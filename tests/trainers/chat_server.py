"""A chat server on loopback that knows the answers to the suite's prompts, and gives them in turn."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from samples import samples

from loopback import Request, Response, ServerState


@dataclass
class ChatServer(ServerState):
    """Answers each prompt with its next answer."""

    asked: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.answers: defaultdict[str, list[str]] = defaultdict(list)
        for sample in samples():
            self.answers[sample.prompt].append(sample.answer)

    def answer(self, number: int, request: Request) -> Response:
        content = request.body["messages"][-1]["content"]
        prompt = content if isinstance(content, str) else "".join(part["text"] for part in content)
        answers = self.answers[prompt]
        with self.lock:
            answer = answers[self.asked[prompt] % len(answers)]
            self.asked[prompt] += 1
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}
        body = {
            "id": str(number),
            "object": "chat.completion",
            "created": 0,
            "model": "known-answers",
            "choices": [choice],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()
