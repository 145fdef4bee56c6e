"""A fixture that cannot be made violates its own criterion once; whoever needs it is blocked, and violates nothing."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from acceptance.errors import Blocked, NotOffered, Unresponsive, violation
from acceptance.evidence.reader import read_run
from acceptance.evidence.recorder import Recorder
from acceptance.redaction.redactor import Redactor
from acceptance.run import Run
from DeploymentLibrary import _as_blocked, _cause


def run_in(folder: Path) -> Run:
    """A run without a deployment."""
    run = object.__new__(Run)
    run.broken, run.shared = {}, {}
    run.evidence = Recorder(folder / "evidence", "r", Redactor(), "test")
    run.contract = cast(Any, SimpleNamespace())
    return run


async def failing(run: Run, error: BaseException, name: str = "processed document") -> None:
    async with run.fixture(name, "INT-13"):
        raise error


def raised(what: Coroutine[Any, Any, Any], kind: type[BaseException] = Blocked) -> Any:
    with pytest.raises(kind) as caught:
        asyncio.run(what)
    return caught.value


def fault(request: str = "r1", observed: str = "500") -> AssertionError:
    return violation("job", expected="status 200", observed=observed, look=f"GET /jobs/7, request {request}")


def test_the_first_failure_is_recorded_for_the_criterion_of_the_fixture_and_later_ones_are_not(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    first, again = raised(failing(run, fault("r1"))), raised(failing(run, fault("r2"), "another document"))
    assert (
        str(first)
        == "blocked by 'processed document' (job: expected status 200, observed 500; GET /jobs/7, request r1)"
    )
    assert first.first and not again.first
    assert raised(failing(run, fault(observed="404"))).first
    run.evidence.close()
    outcomes = read_run(tmp_path)[0].outcomes
    assert [(one.test, one.criteria, one.status, one.cause) for one in outcomes] == [
        ("fixture: processed document", ("INT-13",), "FAIL", "product"),
        ("fixture: processed document (2)", ("INT-13",), "FAIL", "product"),
    ]


@pytest.mark.parametrize("error", [NotOffered("routes.job"), Unresponsive("job", "an answer", "none"), ValueError("x")])
def test_what_says_nothing_of_the_fixture_or_ends_the_run_blocks_nothing(tmp_path: Path, error: Exception) -> None:
    run = run_in(tmp_path)
    assert raised(failing(run, error), type(error)) is error
    assert run.broken == {}


def test_who_asks_again_for_a_shared_fixture_is_not_the_first(tmp_path: Path) -> None:
    run = run_in(tmp_path)

    async def ask() -> list[bool]:
        return [(await _blocked(lambda: run.once("data", lambda: failing(run, fault())))).first for _ in range(2)]

    assert asyncio.run(ask()) == [True, False]


async def _blocked(call: Callable[[], Coroutine[Any, Any, Any]]) -> Blocked:
    with pytest.raises(Blocked) as caught:
        await call()
    return caught.value


def test_a_test_that_fails_by_what_a_fixture_failed_by_is_blocked_by_it(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    raised(failing(run, fault()))
    same = _as_blocked(str(fault("r9")), run.broken)
    assert same.startswith("blocked by 'processed document' (job: ") and _cause("FAIL", same) == "blocked"
    assert _as_blocked(f"anna@example.com: {fault('r9')}", run.broken).startswith(
        "blocked by 'processed document' (anna"
    )
    for other in (
        str(fault(observed="404")),
        f"Several failures occurred:\n\n1) {fault()}\n\n2) {fault(observed='404')}",
    ):
        assert _as_blocked(other, run.broken) == other and _cause("FAIL", other) == "product"
