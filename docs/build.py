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
        goes_on_with: test variables that an earlier sentence has to set; none of a keyword that stands alone.
        link: relative address in the site.
    """

    name: str
    owner: str
    kind: str
    arguments: str
    tags: tuple[str, ...]
    first_line: str
    example: str
    goes_on_with: tuple[str, ...]
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
    variables = continuations(project / "resources")
    entries = [entry for library in documented for entry in _entries(library, variables)]
    for library in documented:
        for keyword in library.keywords:
            if names := variables.get(keyword.name) if library.type == "RESOURCE" else None:
                keyword.doc = f"*Goes on with {', '.join(names)}* of an earlier sentence.\n\n{keyword.doc}"
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


def continuations(resources: Path) -> dict[str, tuple[str, ...]]:
    """The test variables that each user keyword reads where neither it nor a keyword that it calls has set them."""
    texts = [path.read_text(encoding="utf-8") for path in resources.rglob("*.resource")]
    blocks = {
        block.partition("\n")[0].rstrip(): _steps(block)
        for text in texts
        for block in re.split(r"(?m)^(?=\S)", text.partition("*** Keywords ***")[2])
    }
    with_default = {name for text in texts for name in re.findall(r"(?m)^[$@&]\{([A-Z][A-Z ]+)\}", text)}
    sentences = _Sentences(blocks, with_default)
    needed = {name: sentences.effects(name)[0] for name in blocks}
    return {name: tuple(f"${{{one}}}" for one in names) for name, names in needed.items() if names}


_SET = re.compile(r"VAR +[$@&]\{([A-Z][A-Z ]+)\}.* scope=(?:TEST|GLOBAL)")
_READ = re.compile(r"[$@&]\{([A-Z][A-Z ]+)|\$([A-Z][A-Z_]+)")
_EMBEDDED = re.compile(r"\\\$\\\{.*?\\\}")  # as re.escape leaves it


def _steps(block: str) -> list[str]:
    """The steps of a user keyword, without its settings, each on one line."""
    joined = re.sub(r"\n +\.\.\. *", "    ", block)
    return [step for line in joined.splitlines()[1:] if not (step := line.strip()).startswith("[Documentation]")]


class _Sentences:
    """User keywords by their steps: which test variables each needs and sets."""

    def __init__(self, blocks: dict[str, list[str]], with_default: set[str]) -> None:
        self._blocks = blocks
        self._names = {name: re.compile(_EMBEDDED.sub(".+", re.escape(name)), re.IGNORECASE) for name in blocks if name}
        sets = {found[1] for steps in blocks.values() for step in steps if (found := _SET.match(step))}
        self._known = sets - with_default
        self._effects: dict[str, tuple[list[str], set[str]]] = {}

    def effects(self, name: str) -> tuple[list[str], set[str]]:
        """The variables that have to be there before, in the order of their use, and those that are there behind."""
        if name not in self._effects:
            self._effects[name] = ([], set())  # of one that calls itself
            needs, sets = dict[str, None](), set[str]()
            for step in self._blocks[name]:
                target = found[1] if (found := _SET.match(step)) else None
                reads = _READ.findall(step.partition("}")[2] if target else step)
                called = [self.effects(one) for one in self._called(step)]
                wanted = [(plain or inline).replace("_", " ").strip() for plain, inline in reads]
                wanted += [one for needed, _ in called for one in needed]
                needs |= dict.fromkeys(one for one in wanted if one in self._known - sets)
                sets |= {target} if target else set()
                sets |= {one for _, left in called for one in left}
            self._effects[name] = (list(needs), sets)
        return self._effects[name]

    def _called(self, step: str) -> Iterator[str]:
        for cell in re.split(r" {2,}", step):
            sentence = re.sub(r"^(Given|When|Then|And|But) ", "", cell)
            yield from (name for name, pattern in self._names.items() if pattern.fullmatch(sentence))


def _entries(library: Any, variables: dict[str, tuple[str, ...]]) -> Iterator[KeywordEntry]:
    for keyword in library.keywords:
        yield KeywordEntry(
            name=keyword.name,
            owner=library.name,
            kind=library.type,
            arguments=str(keyword.args),
            tags=tuple(keyword.tags),
            first_line=_first_line(keyword.doc),
            example=example_in(keyword.doc),
            goes_on_with=variables.get(keyword.name, ()) if library.type == "RESOURCE" else (),
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
