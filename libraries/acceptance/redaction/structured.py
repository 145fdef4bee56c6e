"""Cleaning XML, JSON and scripts of HTML text by text, so that what is cleaned is still what it was."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import StringIO
from typing import Any
from xml.sax import ContentHandler, SAXParseException, parseString
from xml.sax.saxutils import XMLGenerator

Clean = Callable[[str], str]
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_SCRIPT = re.compile(r"(<script\b[^>]*>)(.*?)(</script>)", re.DOTALL | re.IGNORECASE)


def is_xml(text: str) -> bool:
    """Whether it is well-formed."""
    try:
        parseString(text.encode(), ContentHandler())
    except SAXParseException:
        return False
    return True


def is_json(text: str) -> bool:
    """Whether it is a JSON text, or each of its lines is one."""
    return clean_json(text, str) is not None


def clean_xml(text: str, clean: Clean) -> str | None:
    """The document with each of its texts and attributes cleaned; None where it is not well-formed."""
    cleaned = StringIO()
    try:
        parseString(text.encode(), _Cleaner(cleaned, clean))
    except SAXParseException:
        return None
    return cleaned.getvalue()


def clean_json(text: str, clean: Clean) -> str | None:
    """The value with each of its texts cleaned, or each of its lines; None where it is no JSON."""
    try:
        return json.dumps(_leaves(json.loads(text), clean), ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    lines = text.splitlines()
    try:
        return "".join(f"{json.dumps(_leaves(json.loads(line), clean), ensure_ascii=False)}\n" for line in lines)
    except (ValueError, RecursionError):
        return None


def clean_html(text: str, clean: Clean) -> str:
    """The page with its text cleaned, and within scripts each string by itself."""
    parts = []
    done = 0
    for script in _SCRIPT.finditer(text):
        parts += [clean(text[done : script.end(1)]), _STRING.sub(lambda found: _string(found[0], clean), script[2])]
        done = script.start(3)
    return "".join((*parts, clean(text[done:])))


def _string(literal: str, clean: Clean) -> str:
    inner = literal[1:-1]
    new = clean(inner)
    if new == inner:
        return literal
    escaped = re.sub(r'(?<!\\)"', r"\"", new)
    return f'"{escaped}"'


def _leaves(value: Any, clean: Clean) -> Any:
    if isinstance(value, dict):
        return {clean(name): _field(name, inner, clean) for name, inner in value.items()}
    if isinstance(value, list):
        return [_leaves(inner, clean) for inner in value]
    return clean(value) if isinstance(value, str) else value


def _field(name: str, value: Any, clean: Clean) -> Any:
    """A text is what it is also by its name: `password` and its value are looked at together."""
    if not isinstance(value, str):
        return _leaves(value, clean)
    pair = f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
    try:
        return json.loads(f"{{{clean(pair)}}}").popitem()[1]
    except ValueError:
        return clean(value)


class _Cleaner(XMLGenerator):
    """Writes what it reads, cleaned."""

    def __init__(self, out: StringIO, clean: Clean) -> None:
        super().__init__(out, "UTF-8")
        self._clean = clean
        self._held: list[str] = []

    def _release(self) -> None:
        text, self._held = "".join(self._held), []
        if text:
            super().characters(self._clean(text))

    def characters(self, content: str) -> None:
        self._held.append(content)

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802 as the base class has it
        self._release()
        super().startElement(name, {key: self._clean(value) for key, value in attrs.items()})  # type: ignore[arg-type]

    def endElement(self, name: str) -> None:  # noqa: N802
        self._release()
        super().endElement(name)
