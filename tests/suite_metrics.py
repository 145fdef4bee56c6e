"""`python -m tests.suite_metrics`: measures whether suites are composed of reusable keywords, against targets.

How it counts:

* A dry run of `suites/` resolves every keyword call as an execution would: in test bodies, setups and teardowns,
  through user keywords, into every branch and once into every loop. A test uses each keyword of its tree.
  Setups and teardowns of suites count for no test.
* Library keywords are those that libdoc finds in `libraries/*Library.py` and `libraries/*Library/`; user keywords are
  those of `resources/**/*.resource`.
* Steps are the keyword calls of a test body, without setup and teardown. `GROUP` is looked into, and each other control
  structure is one step; `VAR`, `RETURN` and comments are none. A templated test has one step per row.
* Lines of Python are all lines of `libraries/**/*.py`.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robot.api import TestSuite
from robot.libdocpkg import LibraryDocumentation
from robot.parsing import get_resource_model
from robot.parsing.model import KeywordSection

PROJECT = Path(__file__).resolve().parents[1]
REQUESTS = "RequestsLibrary"
NO_STEPS = {"VAR", "RETURN", "COMMENT", "ERROR"}
Keyword = tuple[str, str]  # owner and name


@dataclass(frozen=True)
class Metric:
    """A measured value with its target: at least `target`, or at most."""

    name: str
    value: float
    target: float
    at_least: bool = True
    detail: str = ""
    no_worse_than: float | None = None  # how far it came, where the target is not reached yet

    @property
    def kept(self) -> bool:
        """Whether it is reached, or at least no worse than it was."""
        return self.reached or (self.no_worse_than is not None and self.value <= self.no_worse_than)

    @property
    def reached(self) -> bool:
        return self.value >= self.target if self.at_least else self.value <= self.target

    def __str__(self) -> str:
        values = f"{self.value:9,.5g}  target {'>=' if self.at_least else '<='} {self.target:7,g}"
        detail = f"  ({self.detail})" if self.detail else ""
        return f"{'reached' if self.reached else 'MISSED '}  {self.name:55} {values}{detail}"


@dataclass
class Usage:
    """Listener of a dry run: library keywords by the full name of the test, and by the file of the suite."""

    ROBOT_LISTENER_API_VERSION = 3
    tests: dict[str, set[Keyword]] = field(default_factory=lambda: defaultdict(set))
    suites: dict[str, set[Keyword]] = field(default_factory=lambda: defaultdict(set))
    _test: set[Keyword] | None = None
    _suite: set[Keyword] = field(default_factory=set)

    def start_test(self, data: Any, result: Any) -> None:
        self._test, self._suite = self.tests[result.full_name], self.suites[str(data.source)]

    def end_test(self, data: Any, result: Any) -> None:
        self._test = None

    def start_library_keyword(self, data: Any, implementation: Any, result: Any) -> None:
        if self._test is not None:
            keyword = (implementation.owner.name, implementation.name)
            self._test.add(keyword)
            self._suite.add(keyword)


def measure(project: Path) -> list[Metric]:
    """All metrics of the project in a folder; its libraries must be importable by name."""
    suite = TestSuite.from_file_system(project / "suites")
    steps = [number_of_steps(test) for test in suite.all_tests]
    usage = Usage()
    failed = suite.run(dryrun=True, output=None, console="none", listener=usage).return_code
    if failed or len(usage.tests) != len(steps):
        raise ValueError(f"{len(steps)} tests declared, {len(usage.tests)} in the dry run, {failed} failed")
    ours = library_keywords(project / "libraries")
    reused = [keyword for keyword in ours if sum(keyword in used for used in usage.tests.values()) >= 2]
    single = sum(number == 1 for number in steps)
    requests = [name for name, used in usage.suites.items() if any(owner == REQUESTS for owner, _ in used)]
    users = user_keywords(project / "resources")
    lines = sum(len(path.read_bytes().splitlines()) for path in (project / "libraries").rglob("*.py"))
    return [
        Metric("user keywords in resources/", len(users), 80),
        Metric(
            "share of library keywords used by two tests or more", len(reused) / max(1, len(ours)), 0.5,
            detail=f"{len(reused)} of {len(ours)}",
        ),
        Metric(
            "share of tests with a single step", single / len(steps), 0.2,
            at_least=False, detail=f"{single} of {len(steps)}",
        ),
        Metric("mean steps per test", sum(steps) / len(steps), 3),
        Metric("suites that use RequestsLibrary", len(requests), 3),
        Metric(
            "lines of Python below libraries/", lines, 21_500, at_least=False,
            detail="docs/decisions/0011-keyword-layers.md", no_worse_than=38_000,
        ),
    ]  # fmt: skip


def number_of_steps(test: Any) -> int:
    """The steps of a test body; rows of a template are keyword calls of its model."""
    return sum(1 for _ in _steps(test.body))


def _steps(body: Iterable[Any]) -> Iterator[Any]:
    for item in body:
        if item.type == "GROUP":
            yield from _steps(item.body)
        elif item.type not in NO_STEPS:
            yield item


def library_keywords(folder: Path) -> list[Keyword]:
    """Owner and name of every keyword of every keyword library in a folder."""
    return [(name, keyword.name) for name in library_names(folder) for keyword in LibraryDocumentation(name).keywords]


def library_names(folder: Path) -> list[str]:
    """The keyword libraries of a folder: modules and packages whose name ends in `Library`."""
    modules = [path.stem for path in folder.glob("*Library.py")]
    return sorted([*modules, *(path.parent.name for path in folder.glob("*Library/__init__.py"))])


def user_keywords(folder: Path) -> list[str]:
    """Names of the keywords that the resource files of a folder define."""
    sections = [
        section
        for path in sorted(folder.rglob("*.resource"))
        for section in get_resource_model(path).sections
        if isinstance(section, KeywordSection)
    ]
    return [entry.name for section in sections for entry in section.body if hasattr(entry, "name")]


def main() -> int:
    """Print every metric; the exit status is 1 when a target is missed, and the value worse than it was."""
    metrics = measure(PROJECT)
    print(*metrics, sep="\n", flush=True)
    return 0 if all(metric.kept for metric in metrics) else 1


if __name__ == "__main__":
    sys.exit(main())
