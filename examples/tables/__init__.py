"""What `examples/paper_tables.py` and `examples/tradeoff.py` share: many runs of the recipe in `tibetan`, as one sweep.

`sweep` (which bases, tasks, seeds) -> `conditions` (which ways to train) -> `runner` (trains and measures, one JSON
file a cell) with `judging` -> `cells` (reads them) -> `rendering` with `published` and `intervals`, or `frontier`;
`planning` prints what would run, how long it takes and, with `power`, how small a tax it can see.
"""
