"""Every keyword of the Artillery library says what it takes and gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from ArtilleryLibrary import ArtilleryLibrary
from robot.libdoc import LibraryDocumentation
from robot.libdocpkg.model import KeywordDoc

KEYWORDS: list[KeywordDoc] = LibraryDocumentation("ArtilleryLibrary").keywords


@pytest.mark.parametrize("keyword", KEYWORDS, ids=lambda keyword: keyword.name)
def test_a_keyword_names_each_of_its_arguments(keyword: KeywordDoc) -> None:
    assert len(keyword.doc) > 60
    assert [one.name for one in keyword.args if f"``{one.name}``" not in keyword.doc] == []


@pytest.mark.parametrize("keyword", KEYWORDS, ids=lambda keyword: keyword.name)
def test_a_keyword_that_gives_something_says_what(keyword: KeywordDoc) -> None:
    returns = keyword.args.return_type
    gives = returns is not None and returns.name != "None"
    assert not gives or "Returns" in keyword.doc or keyword.name.startswith("Get ")


def test_a_script_is_validated_without_a_load(tmp_path: Path) -> None:
    path = tmp_path / "load.yml"
    path.write_text(
        "config: {target: '{{ $env.AT }}', phases: [{duration: 5, arrivalRate: 2}]}\n"
        "scenarios: [{flow: [{get: {url: /}}]}]\n"
    )
    changed = ArtilleryLibrary().validate_load_script(path, environment={"AT": "http://127.0.0.1:1"})
    assert [one.partition(": ")[0] for one in changed] == ["load.yml:1", "load.yml:1"]


def test_figures_need_a_load() -> None:
    with pytest.raises(ValueError, match="use 'Run Load' before"):
        ArtilleryLibrary().get_load_figure("first byte")
