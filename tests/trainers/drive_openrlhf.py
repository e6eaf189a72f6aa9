"""OpenRLHF: its generator of samples, and its rollout actor on a CPU Ray, with the page's module.

Real but for vLLM, whose stand-in is in `stubs`. Nothing is trained: that takes deepspeed, flash-attn and GPUs.
"""

import os
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import openrlhf
import ray
from openrlhf.datasets import PromptDataset
from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator
from openrlhf.trainer.ray import create_vllm_engines
from openrlhf.utils.config import hierarchize
from recording import POLICY, record, start_counting
from samples import ANSWERS, PROMPTS, questions
from torch.utils.data import DataLoader
from transformers import AutoTokenizer

COMPONENTS = ["semantic_similarity", "language_consistency"]
OPTIONS = {
    "algo.advantage.is_correction_level": "off",
    "algo.dynamic_filtering_enable": False,
    "data.apply_chat_template": True,
    "data.input_key": "prompt",
    "data.label_key": "reference",
    "rollout.batch_size": PROMPTS,
    "rollout.n_samples_per_prompt": ANSWERS,
    "vllm.enable_sleep": False,
}
tokenizer = AutoTokenizer.from_pretrained(POLICY)


def generate(actors, rows, **options):
    """The samples of one step of training."""
    arguments = hierarchize(Namespace(**OPTIONS | options))
    strategy = SimpleNamespace(args=arguments, is_rank_0=lambda: True)  # OpenRLHF's own is built on deepspeed
    dataset = PromptDataset(rows, tokenizer, strategy)
    loader = DataLoader(dataset, collate_fn=dataset.collate_fn)
    generator = SamplesGenerator(strategy, loader, None, tokenizer, actors)
    return generator.generate_samples(max_len=256, max_new_tokens=64)[0]


def rows_of(experiences):
    """Answers with what they were paid."""
    found = []
    for one in experiences:
        answer = tokenizer.decode(one.sequences[0, 1:][one.action_mask[0].bool()], skip_special_tokens=True)
        values = {"total": one.rewards.item(), **{name: one.info[name].item() for name in COMPONENTS}}
        found.append({"answer": answer, "reference": one.labels[0], "values": values})
    return found


def check_filtering(actors, rows, paid):
    """Dynamic filtering keeps groups by their mean score; the default range drops the better ones."""
    totals = [row["values"]["total"] for row in paid]
    means = [sum(totals[at : at + ANSWERS]) / ANSWERS for at in range(0, len(totals), ANSWERS)]
    assert max(means) > 1, means
    for low, high in ((0, 1), (0, 2.5)):
        options = {"algo.dynamic_filtering_enable": True, "algo.dynamic_filtering_range": (low, high)}
        kept = generate(actors, rows, **options)
        assert len(kept) == ANSWERS * sum(low < mean < high for mean in means), f"{len(kept)} of {low} to {high}"


def main():
    """The options of the page, the samples, and what the page says."""
    text = (Path(openrlhf.__file__).parent / "cli" / "train_ppo_ray.py").read_text(encoding="utf-8")
    for option in ('"--reward.remote_url"', '"--algo.dynamic_filtering_range", nargs=2, default=(0, 1)'):
        assert option in text, option
    # A made-up GPU; and 600 s to start a worker instead of 30, which a busy machine may need.
    os.environ |= {"CUDA_VISIBLE_DEVICES": "0", "RAY_worker_register_timeout_seconds": "600"}
    ray.init(num_cpus=2, num_gpus=1, include_dashboard=False, _node_ip_address="127.0.0.1", logging_level="ERROR")
    rows = [{"prompt": prompt, "reference": reference} for prompt, reference in questions().items()]
    (module,) = [path for path in map(Path, sys.path) if (path / "my_reward_openrlhf.py").exists()]
    module = str(module / "my_reward_openrlhf.py")
    actors = create_vllm_engines(1, 1, POLICY, 0, False, False, True, 256, remote_rm_url=[module])
    start_counting()
    paid = rows_of(generate(actors, rows))
    assert len(paid) == PROMPTS * ANSWERS, f"{len(paid)} samples"
    record("driven in part: `SamplesGenerator` and `RolloutRayActor` on Ray; vLLM is a stub", paid)
    check_filtering(actors, rows, paid)
    failed = generate(actors, [{**rows[0], "reference": None}])
    assert [one.rewards for one in failed] == [None] * ANSWERS
    ray.shutdown()


if __name__ == "__main__":
    main()
