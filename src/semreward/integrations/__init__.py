"""Rewards in the shapes that other trainers than TRL call: one file a trainer, none of which imports its trainer.

TRL's trainers take every reward as it is. `docs/trainers.md` has a snippet for each of the others.
"""
