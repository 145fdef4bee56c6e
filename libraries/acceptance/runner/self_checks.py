"""The self-checks of a run: preflight before its suites, closing checks after them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from acceptance.checks import consistency, disclosure, error_bodies, preflight
from acceptance.clients.error_log import recorded_errors
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable, NotOffered, ProjectError, several
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Cause, Status
from acceptance.run import Run
from acceptance.verdict.criterion_results import CLOSING, REPORT

PREFLIGHT_SECONDS = 60.0
CLOSING_SECONDS = 60.0
PREFLIGHT = "preflight: "

Checks = dict[str, tuple[str, ...]]
PREFLIGHT_CHECKS: Checks = {name: (f"{PREFLIGHT}{name}",) for name in ("PRE-01", "PRE-02", "PRE-03")}
CLOSING_CHECKS: Checks = {
    "INT-12": (f"{CLOSING}no request ended in a fault", f"{CLOSING}errors have one shape"),
    "INT-14": (f"{CLOSING}INT-14",),
    "ERR-09": (f"{CLOSING}errors disclose nothing",),
}
REPORT_CHECKS: Checks = {name: (f"{REPORT}{name}",) for name in ("BRW-05", "DOC-01", "DOC-02", "DOC-03")}
SELF_CHECKS: Checks = PREFLIGHT_CHECKS | CLOSING_CHECKS | REPORT_CHECKS


def run_preflight(observer: Run, recorder: Recorder) -> list[str]:
    """Run the preflight; returns the problems that keep the run from starting."""
    try:
        found = observer.wait(preflight.obstacles(observer), within=PREFLIGHT_SECONDS)
    except AssertionError as error:
        found = {"PRE-01": [str(error)]}
    for criterion, problems in found.items():
        record(recorder, f"{PREFLIGHT}{criterion}", criterion, problems)
    return [f"{name}: {problem}" for name, problems in found.items() for problem in problems]


def run_closing_checks(
    observer: Run, recorder: Recorder, claims: Collection[str], *, broken: Sequence[str] = ()
) -> None:
    """Run the closing checks: of INT-14, and of INT-12 and ERR-09 where the run claims them.

    Args:
        broken: faults of this run that are in effect still; INT-14 is not verified then.
    """
    if "INT-12" in claims:
        errors = recorded_errors(observer.folder)
        for name, problems in zip(CLOSING_CHECKS["INT-12"], (error_bodies.faults, error_bodies.misshapen), strict=True):
            record(recorder, name, "INT-12", list(problems(errors)), looks=len(errors))
    if "ERR-09" in claims:
        bodies = disclosure.error_bodies(observer.folder, observer.redactor)
        [name] = CLOSING_CHECKS["ERR-09"]
        found = several(disclosure.disclosures(bodies, observer.descriptor))
        record(recorder, name, "ERR-09", [found] if found else [], looks=len(bodies))
    [name] = CLOSING_CHECKS["INT-14"]
    if broken:
        record(recorder, name, "INT-14", broken, cause="environment")
        return
    try:
        observer.wait(consistency.check(observer), within=CLOSING_SECONDS)
    except CapabilityMissing as error:
        recorder.test(name=name, criteria=["INT-14"], status="SKIP", cause="capability", message=str(error))
    except NotOffered as error:
        recorder.test(name=name, criteria=["INT-14"], status="SKIP", cause="not_offered", message=str(error))
    except AssertionError as error:
        record(recorder, name, "INT-14", [str(error)])
    except Exception as error:  # noqa: BLE001 says nothing of the deployment
        what = str(error if isinstance(error, EnvironmentUnavailable) else ProjectError(error))
        recorder.test(name=name, criteria=["INT-14"], status="FAIL", cause="environment", message=what)
    else:
        record(recorder, name, "INT-14", [])


def record(
    recorder: Recorder, name: str, criterion: str, problems: Sequence[str], *, looks: int | None = None,
    cause: Cause | None = None,
) -> None:  # fmt: skip
    """Record the outcome of a self-check, at how much it looked where that is counted, and whose fault a problem is."""
    status: Status = "FAIL" if problems else "PASS"
    recorder.test(name=name, criteria=[criterion], status=status, message="; ".join(problems), looks=looks, cause=cause)
