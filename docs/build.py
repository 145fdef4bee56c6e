"""`make docs`: the keyword reference as a site, readable without a server (`docs/site/index.html`).

One libdoc page for each keyword library and resource file, and an index with a search over all keywords.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from robot.libdocpkg import LibraryDocumentation

PROJECT = Path(__file__).resolve().parents[1]
SITE = Path(__file__).parent / "site"
TEMPLATE = Path(__file__).with_name("index.template.html")


@dataclass(frozen=True)
class KeywordEntry:
    """A keyword as the index lists it.

    Args:
        owner: the library or resource file.
        kind: `LIBRARY` or `RESOURCE`.
        first_line: the first paragraph of the documentation, on one line.
        example: the preformatted lines of the documentation (`| …`, or fenced); empty where there is none.
        link: relative address in the site.
    """

    name: str
    owner: str
    kind: str
    arguments: str
    tags: tuple[str, ...]
    first_line: str
    example: str
    link: str


def sources(project: Path) -> list[str]:
    """What is documented, as libdoc takes it: names of libraries, paths of resource files."""
    modules = [path.stem for path in (project / "libraries").glob("*Library.py")]
    packages = [path.parent.name for path in (project / "libraries").glob("*Library/__init__.py")]
    resources = [str(path) for path in (project / "resources").rglob("*.resource")]
    return [*sorted([*modules, *packages]), *sorted(resources)]


def build(project: Path, site: Path) -> list[KeywordEntry]:
    """Write the site and return its index; whatever the folder held before is removed."""
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    documented = [LibraryDocumentation(source) for source in sources(project)]
    entries = [entry for library in documented for entry in _entries(library)]
    for library in documented:
        library.save(str(site / _page(library)), "HTML")
    owners = [
        {"name": library.name, "kind": library.type, "link": _page(library), "doc": _first_line(library.doc)}
        for library in documented
    ]
    data = json.dumps({"owners": owners, "keywords": [asdict(entry) for entry in entries]}).replace("</", "<\\/")
    page = TEMPLATE.read_text(encoding="utf-8").replace("{{data}}", data)
    (site / "index.html").write_text(page, encoding="utf-8")
    return entries


def without_documentation(entries: list[KeywordEntry]) -> list[str]:
    """Keywords that lack a docstring."""
    return [f"{entry.owner}: {entry.name}" for entry in entries if not entry.first_line]


def without_example(entries: list[KeywordEntry]) -> list[str]:
    """Library keywords whose docstring has no example."""
    return [f"{entry.owner}: {entry.name}" for entry in entries if entry.kind == "LIBRARY" and not entry.example]


def example_in(documentation: str) -> str:
    """The preformatted lines of a documentation, in Robot Framework's format (`| …`) or Markdown's (fenced)."""
    lines, fenced = [], False
    for line in documentation.splitlines():
        if line.strip().startswith("```"):
            fenced = not fenced
        elif fenced:
            lines.append(line)
        elif re.match(r"\s*\|( |$)", line):
            lines.append(re.sub(r"^\s*\| ?", "", line))
    return "\n".join(lines)


def _entries(library: Any) -> Iterator[KeywordEntry]:
    for keyword in library.keywords:
        yield KeywordEntry(
            name=keyword.name,
            owner=library.name,
            kind=library.type,
            arguments=str(keyword.args),
            tags=tuple(keyword.tags),
            first_line=_first_line(keyword.doc),
            example=example_in(keyword.doc),
            link=f"{_page(library)}#{quote(keyword.name)}",
        )


def _first_line(documentation: str) -> str:
    return " ".join(documentation.strip().partition("\n\n")[0].split())


def _page(library: Any) -> str:
    return f"{library.name}{'.resource' if library.type == 'RESOURCE' else ''}.html"


def main() -> int:
    """Build the site and print where its index is."""
    entries = build(PROJECT, SITE)
    print(f"{len(entries)} keywords: {SITE / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
