"""The exception that only training raises."""

from semreward.errors import SemRewardError


class TrainingDivergedError(SemRewardError, ArithmeticError):
    """The loss of a training is no longer finite; the message names the step."""
