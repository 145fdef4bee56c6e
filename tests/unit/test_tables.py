"""The tables of docs/writing-suites.md say what the data says."""

from __future__ import annotations

import re
from functools import cache

import pytest
from acceptance.yaml_models import PROJECT
from robot.api import get_resource_model
from robot.api.parsing import LibraryImport, ResourceImport
from robot.libdocpkg import LibraryDocumentation

from docs.tables import PAGE, with_tables

_ROW = re.compile(r"^\| [^|]+ \| `(\w+\.resource)` \| ([^|]+) \|$", re.MULTILINE)


@cache
def keywords_of(resource: str) -> frozenset[str]:
    """The names of the keywords that an import of a resource brings."""
    path = PROJECT / "resources" / resource
    found = {keyword.name.lower() for keyword in LibraryDocumentation(str(path)).keywords}
    for section in get_resource_model(path).sections:
        for statement in section.body:
            if isinstance(statement, ResourceImport):
                found |= keywords_of(statement.name)
            elif isinstance(statement, LibraryImport):
                found |= {keyword.name.lower() for keyword in LibraryDocumentation(statement.name).keywords}
    return frozenset(found)


def strange(page: str) -> list[str]:
    """Keywords that the page says a resource brings, and that it does not bring."""
    return [
        f"{resource}: {keyword}"
        for resource, text in _ROW.findall(page)
        for keyword in re.findall(r"`([A-Z]\w*(?: \w+)*)", text)
        if not (PROJECT / "resources" / resource).exists() or keyword.lower() not in keywords_of(resource)
    ]


def test_every_keyword_that_is_named_comes_with_the_resource_beside_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(_ROW.findall(page)) >= 9
    assert strange(page) == []
    moved = page.replace("| the database | `documents.resource` |", "| the database | `common.resource` |")
    assert strange(moved) == ["common.resource: Query", "common.resource: Get Row", "common.resource: Get Column"]


def test_the_tables_are_those_of_the_data() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page) == page, "run: .venv/bin/python docs/tables.py"


def test_a_stale_row_is_found() -> None:
    page = PAGE.read_text(encoding="utf-8")
    stale = page.replace("| `note` | 1 page | 3 |", "| `note` | 2 pages | 3 |")
    assert stale != page
    assert with_tables(stale) == with_tables(page)


def test_a_table_that_is_gone_is_found() -> None:
    with pytest.raises(ValueError, match="expected one place for the table 'names', found 0"):
        with_tables(PAGE.read_text(encoding="utf-8").replace("<!-- names -->", ""))
