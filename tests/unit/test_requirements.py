"""Every package that our code imports is required by name and version, and every version in use is pinned."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

from acceptance.yaml_models import PROJECT

OUR_OWN = {"docs", "sandbox", "tests"} | {path.stem for path in (PROJECT / "libraries").iterdir()}
TOOLS = {"acceptance", "pip", "setuptools", "wheel"}


def pinned(file: str) -> dict[str, str]:
    lines = (PROJECT / file).read_text().splitlines()
    return {normal(re.split(r"[\[=]", line)[0]): line.partition("==")[2] for line in lines if re.match(r"\w", line)}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in names} - OUR_OWN - set(sys.stdlib_module_names)


def test_what_is_imported_is_required() -> None:
    files = [path for folder in ("docs", "libraries", "sandbox", "tests") for path in (PROJECT / folder).rglob("*.py")]
    known, required = packages_distributions(), set(pinned("requirements.txt"))
    packages = set[str]().union(*map(imported, files)) - {path.stem for path in files}
    missing = {name for name in packages if not {normal(one) for one in known.get(name, [name])} & required}
    assert missing == set()


def test_every_version_is_pinned() -> None:
    pins = pinned("requirements.txt") | pinned("constraints.txt")
    installed = {normal(one.name): one.version for one in distributions() if normal(one.name) not in TOOLS}
    assert {name: version for name, version in installed.items() if pins.get(name) != version} == {}
