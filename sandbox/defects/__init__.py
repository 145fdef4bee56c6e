"""Planted defects: the sandbox with one thing wrong, in the way a real team gets it wrong.

A module of this package holds the defects of one area of criteria. Each is one decorated function that patches named
seams of the application before the services are forked. The replacement calls `mark_active` when it takes effect:

    @defect("stale-refresh-token", "INT", must=["INT-02"], may={"SEC-01": "an authentication measure is missing"})
    def stale_refresh_token() -> None:
        \"\"\"A used refresh token goes on working.\"\"\"
        patch(tokens, "rotate", ...)
"""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, LiteralString

from sandbox.app import database
from sandbox.errors import StartError
from sandbox.state import DEFECT_MARKER


@dataclass(frozen=True)
class Defect:
    """One defect: the criteria that must detect it, and those that may, each with the reason."""

    name: str
    area: str
    must: tuple[str, ...]
    may: Mapping[str, str]
    description: str
    file: str
    plant: Callable[[], None]
    dialect: str | None

    def __str__(self) -> str:
        needed = f" (--dialect {self.dialect})" if self.dialect else ""
        return f"{self.name:<40} {', '.join(self.must):<20} {self.description}{needed}"

    def as_data(self) -> dict[str, Any]:
        """The entry in `python -m sandbox defects --json`."""
        names = ("name", "area", "must", "may", "description", "file", "dialect")
        return {name: getattr(self, name) for name in names}


_known: Final[dict[str, Defect]] = {}
_marker: Path | None = None


def defect(
    name: str, area: str, *, must: Sequence[str], may: Mapping[str, str] | None = None, dialect: str | None = None
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a function as a defect, of one dialect alone where one is given; its docstring is the description."""

    def register(plant: Callable[[], None]) -> Callable[[], None]:
        if name in _known:
            raise ValueError(f"two defects are called {name}")
        if not must or not plant.__doc__:
            raise ValueError(f"the defect {name} needs a criterion that must notice it, and a docstring")
        file = f"{plant.__module__.replace('.', '/')}.py"
        said = " ".join(plant.__doc__.split())
        _known[name] = Defect(name, area, tuple(must), dict(may or {}), said, file, plant, dialect)
        return plant

    return register


def patch(owner: Any, name: str, replacement: Any) -> None:
    """Replace a named seam: an attribute of a module or class, which must exist."""
    if not hasattr(owner, name):
        raise AttributeError(f"{getattr(owner, '__name__', owner)} has no seam {name!r}")
    setattr(owner, name, replacement)


def patch_query(owner: Any, name: str, old: str, new: str) -> None:
    """Change a statement, which is a constant of a module; the defect is active when the changed statement runs."""
    query = getattr(owner, name)
    if old not in query:
        raise AttributeError(f"{owner.__name__}.{name} does not say {old!r}")
    changed = query.replace(old, new)
    patch(owner, name, changed)
    when_query(changed, mark_active)


def when_query(query: str, then: Callable[[], None]) -> None:
    """Call a function each time a statement with this beginning is run."""
    run = database.Session.all

    async def watched(self: database.Session, text: LiteralString, /, **parameters: Any) -> list[database.Row]:
        if text.startswith(query):
            then()
        return await run(self, text, **parameters)

    patch(database.Session, "all", watched)


class Rewritten:
    """A file whose text reads as changed."""

    def __init__(self, path: Path, old: str, new: str) -> None:
        content = path.read_text()
        if old not in content:
            raise AttributeError(f"{path.name} does not say {old!r}")
        self._content = content.replace(old, new)

    def read_bytes(self) -> bytes:
        return self._content.encode()


def mark_active() -> None:
    """Record, the first time, that the defect has taken effect."""
    global _marker
    if _marker:
        os.close(os.open(_marker, os.O_WRONLY | os.O_CREAT, 0o600))
        _marker = None


def load() -> dict[str, Defect]:
    """All defects by name; imports every module of this package."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(_known.items()))


def matching(criterion: str | None, word: str) -> list[Defect]:
    """The defects that must violate a criterion, where one is given, with a word in their name or description.

    Raises:
        StartError: none violates that criterion.
    """
    known = sorted({name for one in load().values() for name in one.must})
    if criterion is not None and criterion not in known:
        raise StartError(f"no defect violates a criterion '{criterion}'; those with defects are {', '.join(known)}")
    return [
        one
        for one in load().values()
        if criterion in (None, *one.must) and word.lower() in f"{one.name} {one.description}".lower()
    ]


def find(name: str) -> Defect:
    """The defect of this name."""
    known = load()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        advice = f"did you mean {', '.join(near)}?" if near else "`python -m sandbox defects` lists them"
        raise StartError(f"there is no defect {name!r}; {advice}")
    return known[name]


def activate(name: str, directory: Path, dialect: str = "") -> None:
    """Activate a defect in this process, and in every service that is forked from it."""
    global _marker
    found = find(name)
    if found.dialect not in (None, dialect):
        raise StartError(f"the defect {name!r} is one of another dialect; add --dialect {found.dialect}")
    _marker = directory / DEFECT_MARKER
    found.plant()
