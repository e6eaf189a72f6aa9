"""Rewards in the shapes that trainers other than TRL call: one file per trainer, none of which imports its trainer.

TRL's trainers take every reward as it is; `docs/trainers.md` has a snippet for each other trainer. Responses that come
with special tokens lose `semreward.text.END_TOKENS`. An error is never turned into a value; if the trainer hides it, it
is logged with its traceback first. The adapters take

    reward: A reward of this package, or any callable in TRL's convention. No component may be called `score`, the key
        of the total.
    on_none: What a sample earns where the reward is `None`: a finite number, or `"raise"` for an `ArgumentError`.
    reference_column: Column that the trainer's ground truth fills, unless that is empty and another field has the name.
        Adapters without it keep the data set's names: set the reward's own `reference_column`.
"""
