"""Values that differ are told by what differs, not by two long lists that look alike."""

from __future__ import annotations

from typing import Any

import pytest
from acceptance.errors import SuiteError
from assertionengine import AssertionOperator
from robot_run.keywords import checked, compared

EQUAL = AssertionOperator["=="]


@pytest.mark.parametrize(
    ("expected", "observed", "told"),
    [
        (["a", "b", "c"], ["a", "c"], "missing 'b'; in all 2: a; c"),
        (["a"], ["a", "a"], "unexpected 'a'; in all 2: a; a"),
        ([1, 2], [2, 1], "the same in another order; in all 2: [2, 1]"),
        ([{"n": 1}], [{"n": 2}], 'missing {"n": 1}, unexpected {"n": 2}; in all 1: [{"n": 2}]'),
        ({"a", "b"}, {"b"}, "missing 'a'; in all 1: [\"b\"]"),
        ([], ["a"], "a"),
        (True, None, "None"),
        ("é.pdf", "e\u0301.pdf", "'e\\u0301.pdf'"),
        ("a b", "a\u00a0b", "'a\\xa0b'"),
    ],
)
def test_the_difference_comes_first(expected: Any, observed: Any, told: str) -> None:
    assert compared(expected, observed)[1] == told
    with pytest.raises(AssertionError, match="things: expected"):
        checked(observed, EQUAL, expected, "things")


def test_a_list_compared_with_a_text_is_a_mistake_of_the_suite() -> None:
    with pytest.raises(SuiteError, match='things is a list of 1, compared with the text "a": use `contains`'):
        checked(["a"], EQUAL, "a", "things")
