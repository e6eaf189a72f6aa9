"""The stages of `examples/grpo_tibetan.py`, one module each, in the order of the story.

`arguments` -> `stages` (what stands is not done again) -> `world` (the miniature) -> `data` -> `encoder` -> `policy`
(cold start, GRPO, strong SFT) with `rewards` -> `evaluate` -> `results`; `plan` prints what would run.
"""
