"""Several runs judged together: siblings, other builds, thresholds, and the order that never matters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from acceptance.deployment.descriptor import Threshold
from acceptance.evidence.merge import merge
from acceptance.evidence.reader import read_run
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Scope
from acceptance.verdict.criterion_results import Row
from acceptance.verdict.gate import Gate, judge

from tests.evidence import complete, write_run

CRITERIA = complete()
REQUIRED = sorted(CRITERIA.required)
SCALE = [name for name in REQUIRED if "scale" in CRITERIA.criteria[name].needs]
OTHERS = tuple(sorted({need for one in CRITERIA.criteria.values() for need in one.needs} - {"scale"}))


def judged(*folders: Path) -> Gate:
    return judge([bundle for folder in folders for bundle in read_run(folder)], CRITERIA)


def row(gate: Gate, name: str) -> Row:
    return next(one for one in gate.criteria if one.id == name)


def scoped(claims: Sequence[str], **changes: object) -> Scope:
    content = {"name": "full", "claims": tuple(claims), "deployment": "cloud", "build": "b1"} | changes
    return Scope.model_validate(content)


def without_scaling(recorder: Recorder) -> None:
    recorder.write(scoped(tuple(CRITERIA.criteria), capabilities=OTHERS))
    for name in SCALE:
        recorder.test(
            name=f"suite: {name}", status="SKIP", criteria=[name], cause="capability", message="needs 'scale'"
        )


@pytest.fixture
def production(tmp_path: Path) -> Path:
    """A run of everything on a deployment that cannot be scaled."""
    return write_run(tmp_path / "production", change=without_scaling, left_out=SCALE)


def staging(tmp_path: Path, **changes: object) -> Path:
    content = {"run": "s1", "deployment": "staging", "sibling_of": "cloud", "claims": SCALE} | changes
    return write_run(tmp_path / "staging", **content)  # type: ignore[arg-type]


def test_two_parts_of_one_deployment_make_a_whole(tmp_path: Path) -> None:
    one = write_run(tmp_path / "a", run="a", name="integration", claims=REQUIRED[:20])
    other = write_run(tmp_path / "b", run="b", name="performance", claims=REQUIRED[20:])
    assert judged(one).line == "PASS (integration: 20 of 49 required)"
    gate = judged(one, other)
    assert (gate.line, gate.scope, gate.run) == ("GO (integration + performance: 49 of 49 required)", "full", "a + b")


def test_what_cannot_be_shown_may_be_seen_on_a_sibling(production: Path, tmp_path: Path) -> None:
    assert judged(production).line == f"INCONCLUSIVE (full: cannot be known here: {', '.join(SCALE)})"
    gate = judged(production, staging(tmp_path))
    assert gate.line == "GO (full: 49 of 49 required), with what was seen on staging"
    assert (row(gate, SCALE[0]).status, row(gate, SCALE[0]).reason) == ("met", "seen on staging")
    assert gate.deployment == "cloud"


def test_what_we_failed_to_look_at_is_not_proven_by_a_sibling(tmp_path: Path) -> None:
    lazy = write_run(tmp_path / "lazy", left_out=["INT-01"])
    gate = judged(lazy, staging(tmp_path, claims=["INT-01"]))
    assert row(gate, "INT-01").reason.startswith("we failed to look")


def test_a_sibling_that_is_wrong_violates(production: Path, tmp_path: Path) -> None:
    def wrong(recorder: Recorder) -> None:
        recorder.test(name="x", status="FAIL", criteria=[SCALE[0]], message="it flaps")

    gate = judged(production, staging(tmp_path, change=wrong))
    assert (gate.verdict, row(gate, SCALE[0]).reason) == ("NO-GO", "on staging: x: it flaps")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"build": "b2"}, "s1: of build b2, judged is b1"),
        ({"build": None}, "s1: of build unknown, judged is b1"),
        ({"sibling_of": "elsewhere"}, "whose descriptor does not say sibling_of: cloud"),
    ],
)
def test_what_is_of_another_build_or_deployment_does_not_count(
    changes: dict[str, str | None], why: str, production: Path, tmp_path: Path
) -> None:
    gate = judged(production, staging(tmp_path, **changes))
    assert gate.verdict == "INCONCLUSIVE"
    assert why in gate.left_out[0]


def test_an_unsealed_sibling_proves_nothing(production: Path, tmp_path: Path) -> None:
    gate = judged(production, staging(tmp_path, sealed=False))
    assert (gate.verdict, row(gate, SCALE[0]).status) == ("INCONCLUSIVE", "not_verified")


def test_the_strictest_thresholds_of_all_runs_hold(tmp_path: Path) -> None:
    def relaxed(recorder: Recorder) -> None:
        thresholds = {"INT-13.slowest_processing": Threshold(value=60, reason="far away")}
        recorder.write(scoped(tuple(CRITERIA.criteria), thresholds=thresholds))
        recorder.observe("INT-13", "slowest_processing", 45, "s", samples=5)

    one = write_run(tmp_path / "a", run="a", change=relaxed)
    assert judged(one).line.endswith("instead of under 30 s: far away")
    assert row(judged(one), "INT-13").status == "met"
    both = judged(one, write_run(tmp_path / "b", run="b"))
    assert (both.relaxed, row(both, "INT-13").status) == ((), "violated")


def test_order_and_grouping_never_matter(production: Path, tmp_path: Path) -> None:
    folders = [production, staging(tmp_path), write_run(tmp_path / "more", run="more", claims=["INT-02"])]
    ways = {judged(*way).model_dump_json() for way in (folders, folders[::-1], [*folders[1:], folders[0]])}
    assert len(ways) == 1
    merge(folders[:2], tmp_path / "ab")
    merge([tmp_path / "ab", folders[2]], tmp_path / "ab c")
    merge(folders[1:], tmp_path / "bc")
    merge([tmp_path / "bc", folders[0]], tmp_path / "a bc")
    assert files(tmp_path / "ab c") == files(tmp_path / "a bc")
    assert judged(tmp_path / "ab c") == judged(tmp_path / "a bc")
    assert judged(tmp_path / "ab c").line == judged(*folders).line


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
