"""The tables of docs/writing-suites.md say what the data says."""

from __future__ import annotations

import pytest

from docs.tables import PAGE, with_tables


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
