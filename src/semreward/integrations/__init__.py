"""Rewards in the shapes that trainers other than TRL call: one file per trainer, none of which imports its trainer.

TRL's trainers take every reward as it is. Each adapter takes any reward of this package, or any callable in TRL's
convention. No component may be called `score`, the key of the total. These trainers need a number per sample: where a
reward is `None`, an adapter raises an `ArgumentError`, or pays the finite number given as `on_none`. An error of the
reward is never turned into a value; if the trainer hides errors, it is logged with its traceback first.
`docs/trainers.md` has a snippet for each trainer.
"""
