"""The stages of `examples/grpo_tibetan.py`, one module each, in the order of the story.

`arguments` -> `stages` (a finished one is not run again) -> `world` (the miniature) or `pretrained` -> `data` ->
`encoder` -> `policy` (cold start, GRPO, strong SFT) with `rewards` -> `evaluate` -> `results`; `plan` prints the plan.
"""
