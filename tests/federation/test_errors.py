"""One tree of errors, and messages that name the remedy."""

import inspect

import pytest

from federation import errors
from federation.errors import unknown_choice

ALL = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)
]
USER_ERRORS = {"BadInput", "ScenarioError", "DataError", "FolderError"}


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_grows_on_one_tree(kind):
    assert issubclass(kind, errors.PacelineError)


def test_what_the_user_got_wrong_is_bad_input_and_nothing_else_is():
    assert {kind.__name__ for kind in ALL if issubclass(kind, errors.BadInput)} == USER_ERRORS


def test_the_docstring_draws_the_whole_tree():
    assert [kind.__name__ for kind in ALL if kind.__name__ not in errors.__doc__] == []


def test_a_wrong_choice_is_told_the_nearest_and_all_valid_ones_in_order():
    assert unknown_choice("codec", "rnage", ["topk", "range"]) == (
        "unknown codec 'rnage'; did you mean 'range'? Valid: range, topk"
    )


def test_nothing_is_suggested_where_nothing_is_near():
    assert unknown_choice("codec", "zzzz", ["topk"]) == "unknown codec 'zzzz'; Valid: topk"


def test_a_choice_of_several_lines_gives_one_line():
    assert "\n" not in unknown_choice("codec", "a\nb", ["topk"])
