"""What `examples/paper_tables.py` and `examples/tradeoff.py` share: many runs of the recipe in `tibetan`, as one sweep.

`sweep` (which bases, tasks, seeds) -> `conditions` (which ways to train) -> `runner`, `judging` (one JSON file per
cell) -> `cells` (reads them) -> `rendering` (tables) or `frontier` (trade-off), with `intervals`. `planning` prints
what would run, how long it takes, and how small a tax it can see.
"""
