"""Where things are on the page: a file of locators, by role and accessible name, as screen readers know them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from acceptance.errors import NotOffered, SuiteError
from acceptance.yaml_models import PROJECT, Data, read_model

PAGE_FILE = PROJECT / "variables" / "page.yaml"
ABSENT = "absent"


class Element(Data):
    """One thing on the page.

    Attributes:
        role: of ARIA, such as `button`, with or without a `name`.
        name: accessible name; `{document}` and the like stand for what a sentence puts in.
        label: accessible name of a field, in place of role and name: fields for passwords and files have no role.
        css: a selector, where there is nothing better.
        has_text: what must stand in it, where its name does not tell it from others.
        within: the element in which it stands.
    """

    role: str | None = None
    name: str | None = None
    label: str | None = None
    css: str | None = None
    has_text: str | None = None
    within: str | None = None

    @model_validator(mode="after")
    def _is_found_in_one_way(self) -> Self:
        if len([way for way in (self.role, self.label, self.css) if way]) != 1:
            raise ValueError("expected one of role, label and css")
        if self.name is not None and self.role is None:
            raise ValueError("a name belongs to a role")
        return self


class Page(Data):
    """The page of an application: its path at the front end, its elements by our words for them, and what it says."""

    path: str = Field(default="/", pattern="^/")
    texts: dict[str, str]
    elements: dict[str, Element | None]

    @model_validator(mode="before")
    @classmethod
    def _absent_elements(cls, content: object) -> object:
        if isinstance(content, dict) and isinstance(content.get("elements"), dict):
            elements = {word: None if given == ABSENT else given for word, given in content["elements"].items()}
            return {**content, "elements": elements}
        return content

    def offers(self, word: str) -> bool:
        """Whether the page has what stands for this word.

        Raises:
            SuiteError: no element is called so.
        """
        if word not in self.elements:
            raise SuiteError(f"the page has no element '{word}'; it has {', '.join(sorted(self.elements))}")
        return self.elements[word] is not None

    def element(self, word: str) -> Element:
        """The element of this word.

        Raises:
            NotOffered: the page does not have it.
        """
        if not self.offers(word):
            raise NotOffered(f"page.{word.replace(' ', '_')}")
        found = self.elements[word]
        assert found is not None
        return found

    def selector(self, word: str, values: Mapping[str, str] | None = None) -> str:
        """The element as a selector of Playwright, as its `getByRole` and `getByLabel` write it."""
        element = self.element(word)
        if element.css is not None:
            own = f"css={_filled(element.css, values)}"
        elif element.label is not None:
            own = f"internal:label={_quoted(element.label, values)}s"
        else:
            own = f"internal:role={element.role}" + (f"[name={_quoted(element.name, values)}s]" if element.name else "")
        if element.has_text is not None:
            own += f" >> internal:has-text={_quoted(element.has_text, values)}i"
        return f"{self.selector(element.within, values)} >> {own}" if element.within else own

    def criteria(self, word: str, values: Mapping[str, str] | None = None) -> list[dict[str, str]]:
        """The element for the script that finds it, the outermost first: role, name, label or css of each."""
        element = self.element(word)
        outer = self.criteria(element.within, values) if element.within else []
        own = element.model_dump(exclude={"within"}, exclude_none=True)
        return [*outer, {key: _filled(str(value), values) for key, value in own.items()}]


def _quoted(text: str, values: Mapping[str, str] | None) -> str:
    return json.dumps(_filled(text, values), ensure_ascii=False)


def _filled(text: str, values: Mapping[str, str] | None) -> str:
    for word, value in (values or {}).items():
        text = text.replace(f"{{{word}}}", value)
    return text


def read_page(path: Path | None = None) -> Page:
    """The page in a file; default: the standard one.

    Raises:
        ConfigurationError: with every mistake in the file at once.
    """
    return read_model(path or PAGE_FILE, Page)
