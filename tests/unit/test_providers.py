"""A document that another parser parsed is named, also where only its job gives it away."""

from __future__ import annotations

import pytest
from acceptance.checks.providers import other_parsers
from acceptance.clients.database import Row
from acceptance.deployment.descriptor import Providers

DECLARED = Providers.model_validate(
    {
        "parser": {"name": "llamaparse", "job_id_pattern": "^pjb-"},
        "model": "m",
        "embedding": {"name": "e", "dimensions": 8},
    }
)


def rows(**change: object) -> list[Row]:
    first: Row = {"filename": "a.pdf", "parser": "llamaparse", "parser_job_id": "pjb-1"}
    return [first | change, {"filename": "b.pdf", "parser": "llamaparse", "parser_job_id": "pjb-2"}]


def test_the_declared_parser_is_right() -> None:
    assert list(other_parsers(rows(), DECLARED)) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"parser": "llamaparse-standin"}, "parsed by 'llamaparse-standin'"),
        ({"parser": None}, "parsed by None"),
        ({"parser_job_id": "standin-1"}, "parsed as 'standin-1'"),
        ({"parser_job_id": None}, "parsed as None"),
        ({"parser_job_id": "pjb-2"}, "in common with another document"),
    ],
)
def test_any_other_is_named(change: dict[str, object], word: str) -> None:
    assert any(word in problem for problem in other_parsers(rows(**change), DECLARED))
