"""Evidence as a run would leave it, for tests that read folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from acceptance.evidence.reader import EVIDENCE, read_run
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Plan, Scope
from acceptance.evidence.seal import write_seal
from acceptance.redaction.redactor import Redactor
from acceptance.verdict.criteria import CRITERIA, Criteria, Criterion, read_criteria


def of_the_mission(criteria: Criteria) -> Criteria:
    """Without what a team added: areas whose source is no phase of the mission, and their criteria."""
    areas = {name: area for name, area in criteria.areas.items() if area.source.startswith("phase ")}
    kept = {name: one for name, one in criteria.criteria.items() if name.partition("-")[0] in areas}
    return criteria.model_copy(update={"areas": areas, "criteria": kept})


ALL = of_the_mission(read_criteria(CRITERIA))


def complete(criteria: Criteria = ALL) -> Criteria:
    """The criteria as they are when none is planned any more."""
    done = {name: one.model_copy(update={"status": None}) for name, one in criteria.criteria.items()}
    return criteria.model_copy(update={"criteria": done})


def good_value(criterion: Criterion) -> Iterable[tuple[str, float, str, int]]:
    """Name, value, unit and samples of figures that keep every limit."""
    for limit in criterion.limits:
        threshold = limit.threshold if limit.threshold is not None else 10.0
        value = threshold * (1.1 if limit.must_be == "over" and limit.unit != "%" else 1.0)
        if limit.must_be in ("under", "at most"):
            value = threshold * 0.6
        elif limit.must_be == "over":
            value = min(100.0, threshold * 1.08) if limit.unit == "%" else value
        yield limit.figure, value, limit.unit, limit.least_samples


def write_run(
    folder: Path,
    *,
    run: str = "20261124-120000-full-abcd",
    name: str = "full",
    claims: Iterable[str] = tuple(ALL.criteria),
    deployment: str = "cloud",
    build: str | None = "b1",
    sibling_of: str | None = None,
    change: Callable[[Recorder], None] = lambda recorder: None,
    left_out: Iterable[str] = (),
    sealed: bool = True,
    violated: Iterable[str] = (),
) -> Path:
    """A run in which every criterion that it claims has one test that passed and good figures.

    Args:
        change: records what else there is, before the seal.
        left_out: criteria of which nothing is recorded.
    """
    claimed = tuple(claims)
    recorder = Recorder(folder / EVIDENCE, run, Redactor(), "robot", deployment=deployment, build=build)
    capabilities = tuple(sorted({need for one in ALL.criteria.values() for need in one.needs}))
    recorder.write(
        Scope(
            name=name,
            claims=claimed,
            deployment=deployment,
            build=build,
            sibling_of=sibling_of,
            capabilities=capabilities,
        )
    )
    kinds = {"test": "suite: ", "closing": "closing: ", "report": "report: "}
    tests = {one: f"{kinds[ALL.criteria[one].judged_by]}{one}" for one in claimed}
    recorder.write(Plan(tests={one: (test,) for one, test in tests.items()}))
    for one in claimed:
        if one in set(left_out):
            continue
        recorder.current_test = tests[one]
        for figure, value, unit, samples in good_value(ALL.criteria[one]):
            recorder.observe(one, figure, value, unit, samples=samples)
        recorder.test(
            name=tests[one], status="PASS", criteria=[one], seconds=0.5, place="s1-t1", source="suites/x.robot:3"
        )
    change(recorder)
    recorder.close()
    if sealed:
        for bundle in read_run(folder):
            write_seal(folder / EVIDENCE, bundle.run, bundle.chains, bundle.artifacts, violated)
    return folder
