"""The file of locators: how an element is written for each driver, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.browsers.locators import Page, read_page
from acceptance.errors import ConfigurationError, NotOffered, SuiteError

FILE = """
path: /app
elements:
  log in: {role: button, name: Log in}
  password: {label: 'Pass"word'}
  answer: {role: article, has_text: "{question}"}
  source: {role: button, within: answer}
  legacy: {css: "#old > a"}
  history: absent
texts: {processed: Ready}
"""


@pytest.fixture
def page(tmp_path: Path) -> Page:
    path = tmp_path / "page.yaml"
    path.write_text(FILE)
    return read_page(path)


def test_an_element_is_written_for_playwright(page: Page) -> None:
    assert page.selector("log in") == 'internal:role=button[name="Log in"s]'
    assert page.selector("password") == 'internal:label="Pass\\"word"s'
    assert page.selector("legacy") == "css=#old > a"
    assert page.selector("source", {"question": "Why?"}) == (
        'internal:role=article >> internal:has-text="Why?"i >> internal:role=button'
    )


def test_an_element_is_written_for_the_script_that_finds_it(page: Page) -> None:
    assert page.criteria("source", {"question": "Why?"}) == [
        {"role": "article", "has_text": "Why?"},
        {"role": "button"},
    ]


def test_what_the_page_does_not_have_is_not_offered(page: Page) -> None:
    assert not page.offers("history")
    with pytest.raises(NotOffered, match=r"page\.history"):
        page.selector("history")


def test_an_unknown_word_is_a_mistake_of_the_suite(page: Page) -> None:
    with pytest.raises(SuiteError, match="the page has no element 'log on'; it has answer, history"):
        page.selector("log on")


@pytest.mark.parametrize(
    ("element", "mistake"),
    [
        ("{name: Log in}", "expected one of role, label and css"),
        ("{role: button, css: a}", "expected one of role, label and css"),
        ("{label: Password, name: x}", "a name belongs to a role"),
        ("{roll: button}", "did you mean 'role'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, element: str, mistake: str) -> None:
    path = tmp_path / "page.yaml"
    path.write_text(f"elements: {{log in: {element}}}\ntexts: {{}}\n")
    with pytest.raises(ConfigurationError) as caught:
        read_page(path)
    assert mistake in str(caught.value.problems)


def test_the_standard_page_has_what_the_sentences_speak_of() -> None:
    page = read_page()
    assert all(
        page.offers(word) for word in ("email", "password", "log in", "log out", "file", "upload", "ask", "problem")
    )
    assert page.texts["processed"]
