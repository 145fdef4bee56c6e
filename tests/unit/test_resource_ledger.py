"""What a run made is known from its notes alone, also after a kill, and to another process."""

from __future__ import annotations

from pathlib import Path

from acceptance.fixtures.resource_ledger import NAME, ResourceLedger


def test_what_was_made_and_is_not_gone_still_stands(tmp_path: Path) -> None:
    made = ResourceLedger(tmp_path, "cloud")
    for identifier in ("u1", "u2"):
        made.note("user", identifier)
    made.note("document", "d1")
    made.note("user", "u1", gone=True)
    made.close()
    again = ResourceLedger(tmp_path, "cloud")
    assert (again.ever("user"), again.gone("user"), again.standing("user")) == (["u1", "u2"], ["u1"], ["u2"])
    assert again.standing("document") == ["d1"]


def test_notes_of_another_deployment_do_not_count(tmp_path: Path) -> None:
    ResourceLedger(tmp_path, "cloud").note("user", "u1")
    assert ResourceLedger(tmp_path, "sandbox").standing("user") == []


def test_half_a_line_is_no_note(tmp_path: Path) -> None:
    made = ResourceLedger(tmp_path, "cloud")
    made.note("user", "u1")
    with (tmp_path / NAME).open("a") as file:
        file.write('{"kind": "user", "id": "u')
    assert made.standing("user") == ["u1"]


def test_who_holds_the_notes_open_is_under_way(tmp_path: Path) -> None:
    first, second = ResourceLedger(tmp_path, "cloud"), ResourceLedger(tmp_path, "cloud")
    assert first.under_way() and second.under_way()
    second.close()
    assert not first.under_way()
