import inspect

import pytest

from semreward import errors

RAISED = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, Exception) and not issubclass(error, Warning) and error is not errors.SemRewardError
]


@pytest.mark.parametrize("error", RAISED)
def test_every_error_is_a_semreward_error(error):
    assert issubclass(error, errors.SemRewardError)


@pytest.mark.parametrize("error", RAISED)
def test_every_error_is_also_a_built_in_one(error):
    built_in = [base for base in error.__mro__ if base.__module__ == "builtins"]
    assert built_in[0] is not Exception


def test_the_warning_is_a_user_warning():
    assert issubclass(errors.SemRewardWarning, UserWarning)
