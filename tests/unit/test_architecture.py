"""Who may know whom: suites, resources, keyword libraries, core, third parties, in this order alone."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from acceptance.yaml_models import PROJECT
from robot.api import get_model
from robot.api.parsing import LibraryImport, ModelVisitor, ResourceImport, VariablesImport

from sandbox import dialects

LIBRARIES = PROJECT / "libraries"
CORE = LIBRARIES / "acceptance"
SANDBOX = PROJECT / "sandbox"
KEYWORD_LIBRARIES = {path.stem for path in LIBRARIES.glob("*.py")}
LOAD_ENGINE = LIBRARIES / "ArtilleryLibrary"
LINES_OF_THE_SANDBOX = 7_000  # of code: docs/decisions/0006-size-of-the-sandbox.md
LINES_OF_A_DIALECT = 350  # it translates; what it would have to decide by itself belongs into the application
APART = {"defects", "dialects"}


def python_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def lines_of_code(source: str) -> int:
    """Lines that hold more than a comment or a docstring."""
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in layout:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def imported_by(source: str) -> set[str]:
    """The top packages that Python code imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def import_graph(folder: Path) -> dict[str, set[str]]:
    """Module -> modules of the same folder that it imports, except for type checking alone."""
    modules = {}
    for path in python_files(folder):
        parts = path.relative_to(folder).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {module: _imported(path, modules) - {module} for module, path in modules.items()}


def _imported(path: Path, modules: dict[str, Path]) -> set[str]:
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({node.module} | {f"{node.module}.{alias.name}" for alias in node.names})
        pending.extend(ast.iter_child_nodes(node))
    return found & modules.keys()


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """The modules of one import cycle, in order; empty where there is none."""
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def compares_with(source: str, word: str) -> bool:
    """Whether Python code decides by a word, as `if name == "sandbox"` does."""
    comparisons = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare | ast.MatchValue))
    return any(isinstance(part, ast.Constant) and part.value == word for node in comparisons for part in ast.walk(node))


def robot_imports(source: Path | str) -> list[tuple[str, str]]:
    """What a suite or resource file imports, in order: kind and name."""
    found: list[tuple[str, str]] = []

    class Visitor(ModelVisitor):  # type: ignore[misc]
        def visit_LibraryImport(self, node: LibraryImport) -> None:  # noqa: N802
            found.append(("library", node.name))

        def visit_ResourceImport(self, node: ResourceImport) -> None:  # noqa: N802
            found.append(("resource", Path(node.name).name))

        def visit_VariablesImport(self, node: VariablesImport) -> None:  # noqa: N802
            found.append(("variables", node.name))

    Visitor().visit(get_model(source))
    return found


def mistakes_of_suite(imports: list[tuple[str, str]]) -> Iterator[str]:
    """A suite imports resources only, and the one that opens the deployment first."""
    if imports[:1] != [("resource", "common.resource")]:
        yield "its first import is not common.resource"
    yield from (f"it imports the {kind} {name}" for kind, name in imports if kind != "resource")


@pytest.mark.parametrize("path", python_files(CORE), ids=lambda path: path.name)
def test_the_core_knows_neither_robot_nor_keyword_libraries_nor_the_sandbox(path: Path) -> None:
    assert not imported_by(path.read_text()) & ({"robot", "sandbox"} | KEYWORD_LIBRARIES)


@pytest.mark.parametrize("path", python_files(LOAD_ENGINE), ids=lambda path: path.name)
def test_the_artillery_library_imports_nothing_of_the_rest(path: Path) -> None:
    assert not imported_by(path.read_text()) & ({"acceptance", "sandbox", "tests"} | KEYWORD_LIBRARIES)


@pytest.mark.parametrize("folder", [LIBRARIES, SANDBOX], ids=lambda path: path.name)
def test_there_is_no_import_cycle(folder: Path) -> None:
    assert cycle_in(import_graph(folder)) == []


def test_there_is_no_import_cycle_between_the_rooms_of_the_core() -> None:
    rooms: dict[str, set[str]] = defaultdict(set)
    for module, imports in import_graph(LIBRARIES).items():
        rooms[room_of(module)] |= {room_of(other) for other in imports} - {room_of(module)}
    assert cycle_in(rooms) == []


def room_of(module: str) -> str:
    """The folder of the core that a module is in; a module of no folder is a room of its own."""
    room = ".".join(module.split(".")[:2])
    return room if (LIBRARIES / room.replace(".", "/")).is_dir() else module


@pytest.mark.parametrize("path", python_files(SANDBOX), ids=lambda path: str(path.relative_to(SANDBOX)))
def test_the_sandbox_knows_no_library_of_ours(path: Path) -> None:
    assert not imported_by(path.read_text()) & ({"robot", "acceptance", "tests"} | KEYWORD_LIBRARIES)


@pytest.mark.parametrize("path", python_files(LIBRARIES), ids=lambda path: path.name)
def test_no_library_knows_or_asks_for_the_sandbox(path: Path) -> None:
    assert "sandbox" not in imported_by(path.read_text())
    assert not compares_with(path.read_text(), "sandbox")


@pytest.mark.parametrize("path", sorted((PROJECT / "suites").rglob("*.robot")), ids=lambda path: path.name)
def test_every_suite_imports_resources_alone_and_common_first(path: Path) -> None:
    assert path.name == "__init__.robot" or list(mistakes_of_suite(robot_imports(path))) == []


@pytest.mark.parametrize("path", sorted((PROJECT / "resources").rglob("*.resource")), ids=lambda path: path.name)
def test_resources_do_not_know_the_core(path: Path) -> None:
    libraries = {name.partition(".")[0] for kind, name in robot_imports(path) if kind == "library"}
    assert not libraries & {"acceptance", "sandbox"}


@pytest.mark.parametrize("folder", ["suites", "resources"])
def test_suites_and_resources_do_not_name_the_sandbox(folder: str) -> None:
    files = [path for path in (PROJECT / folder).rglob("*.r*") if path.suffix in (".robot", ".resource")]
    assert [path.name for path in files if "sandbox" in path.read_text().lower()] == []


def test_the_sandbox_stays_small() -> None:
    files = [path for path in python_files(SANDBOX) if not APART & {*path.parts} and path.name != "hostile.py"]
    assert sum(lines_of_code(path.read_text()) for path in files) <= LINES_OF_THE_SANDBOX


@pytest.mark.parametrize("path", python_files(SANDBOX / "dialects"), ids=lambda path: path.name)
def test_a_dialect_is_a_layer(path: Path) -> None:
    assert lines_of_code(path.read_text()) <= LINES_OF_A_DIALECT


@pytest.mark.parametrize("name", dialects.NAMES)
def test_the_application_has_no_branch_for_a_dialect(name: str) -> None:
    files = [path for path in python_files(SANDBOX) if not APART & {*path.parts}]
    assert [path.name for path in files if compares_with(path.read_text(), name)] == []


# The checks themselves can fail:


def test_lines_of_code_are_those_that_say_something() -> None:
    assert (
        lines_of_code('"""Doc."""\n\n# why\ndef f():\n    """More,\n    of it."""\n    return (\n        1\n    )\n')
        == 4
    )


def test_imports_are_found_wherever_they_stand() -> None:
    source = "import a.b\nfrom c.d import e\nfrom . import f\ndef g():\n    import h\n"
    assert imported_by(source) == {"a", "c", "h"}


def test_an_import_cycle_is_found(tmp_path: Path) -> None:
    for name, source in {
        "one": "def later():\n    from pack import two",
        "pack/__init__": "",
        "pack/two": "import three",
        "three": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import one",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.py").write_text(source)
    assert cycle_in(import_graph(tmp_path)) == []
    (tmp_path / "three.py").write_text("import one")
    assert set(cycle_in(import_graph(tmp_path))) == {"one", "pack.two", "three"}


@pytest.mark.parametrize("source", ['if name == "sandbox": pass', 'match name:\n    case "sandbox": pass'])
def test_a_decision_by_name_is_found(source: str) -> None:
    assert compares_with(source, "sandbox")
    assert not compares_with('name = "sandbox"', "sandbox")


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ("Resource    users.resource\nResource    ../common.resource", "its first import is not common.resource"),
        ("Resource    ../common.resource\nLibrary    UserLibrary", "it imports the library UserLibrary"),
        ("Documentation    Nothing is imported.", "its first import is not common.resource"),
    ],
)
def test_a_wrong_import_of_a_suite_is_found(settings: str, mistake: str) -> None:
    assert mistake in mistakes_of_suite(robot_imports(f"*** Settings ***\n{settings}\n"))
