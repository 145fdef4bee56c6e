"""The keyword reference lists every keyword, with its documentation and example, and can be searched offline."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from acceptance.yaml_models import PROJECT

from docs.build import KeywordEntry, build, continuations, example_in, without_documentation, without_example


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[KeywordEntry]]:
    folder = tmp_path_factory.mktemp("reference") / "site"
    return folder, build(PROJECT, folder)


def data_of(index: Path) -> dict[str, list[dict[str, object]]]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', index.read_text(), re.DOTALL)
    assert found
    content: dict[str, list[dict[str, object]]] = json.loads(found[1])
    return content


def test_every_library_and_resource_has_a_page_and_is_in_the_index(site: tuple[Path, list[KeywordEntry]]) -> None:
    folder, _ = site
    libraries = {path.stem for path in (PROJECT / "libraries").glob("*Library*") if path.name != "__pycache__"}
    resources = {path.stem for path in (PROJECT / "resources").rglob("*.resource")}
    assert libraries
    assert resources
    assert {path.name for path in folder.iterdir()} == {
        "index.html",
        *(f"{name}.html" for name in libraries),
        *(f"{name}.resource.html" for name in resources),
    }
    assert {owner["name"] for owner in data_of(folder / "index.html")["owners"]} == libraries | resources


def test_every_keyword_is_in_the_index_and_on_its_page(site: tuple[Path, list[KeywordEntry]]) -> None:
    folder, entries = site
    assert entries
    assert [one["name"] for one in data_of(folder / "index.html")["keywords"]] == [entry.name for entry in entries]
    for entry in entries:
        page, _, anchor = entry.link.partition("#")
        assert anchor
        assert json.dumps(entry.name)[1:-1] in (folder / page).read_text()


def test_the_index_needs_no_other_file_and_no_network(site: tuple[Path, list[KeywordEntry]]) -> None:
    text = (site[0] / "index.html").read_text()
    assert re.findall(r"<(?:link|img|script[^>]* src)|@import|url\(|fetch\(|https?://[^\s\"<]*\.(?:js|css)", text) == []


def test_sentences_that_need_an_earlier_one_are_marked(site: tuple[Path, list[KeywordEntry]]) -> None:
    folder, entries = site
    needed = {entry.name: entry.goes_on_with for entry in entries if entry.goes_on_with}
    assert needed["The Accepted Document Can Be Processed"] == ("${UPLOAD}",)
    assert needed["Every Answer Is From"] == ("${FACTS}", "${ANSWERS}")
    assert not needed.keys() & {"${user} uploads", "${user} is signed in", "The Document Arrives Whole", "Ask"}
    assert set(continuations(PROJECT / "resources")) == set(needed)
    assert "Goes on with ${UPLOAD}" in (folder / "documents.resource.html").read_text()


def test_a_variable_that_the_sentence_sets_itself_is_no_condition(tmp_path: Path) -> None:
    (tmp_path / "a.resource").write_text(
        "*** Keywords ***\n${user} uploads\n    [Documentation]    `\\${UPLOAD}` is the upload.\n"
        "    VAR    ${UPLOAD}    ${1}    scope=TEST\n    Log    ${UPLOAD}\n\n"
        "It Is There\n    Should Be True    $UPLOAD\n    ...    ${LIMIT}\n\n"
        "More\n    VAR    @{UPLOAD}    @{UPLOAD}    scope=TEST\n\n"
        "Both\n    When Alice uploads\n    Then it is there\n\n"
        "Late\n    It Is There\n    Alice Uploads\n"
    )
    needed = ("${UPLOAD}",)
    assert continuations(tmp_path) == {"It Is There": needed, "More": needed, "Late": needed}


def test_every_keyword_is_documented(site: tuple[Path, list[KeywordEntry]]) -> None:
    assert without_documentation(site[1]) == []


def test_every_library_keyword_has_an_example(site: tuple[Path, list[KeywordEntry]]) -> None:
    assert without_example(site[1]) == []


@pytest.mark.parametrize(
    ("documentation", "example"),
    [
        ("Signs in.\n\n| Sign In    Alice\n| Sign Out", "Sign In    Alice\nSign Out"),
        ("Signs in.\n\n```robotframework\nSign In    Alice\n```\nMore.", "Sign In    Alice"),
        ("Signs in, or | not.", ""),
    ],
)
def test_examples_are_preformatted_lines(documentation: str, example: str) -> None:
    assert example_in(documentation) == example
