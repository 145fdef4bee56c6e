"""Nothing is met by a test that looked at nothing, whoever recorded it, and however many others passed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from acceptance.evidence.reader import read_run
from acceptance.evidence.recorder import NOTHING_LOOKED_AT, Recorder
from acceptance.evidence.records import Outcome
from acceptance.redaction.redactor import Redactor
from DeploymentLibrary import _take_skipped_rows
from hypothesis import given
from hypothesis import strategies as st
from robot import running
from robot_run.empty_loops import empty_loops

from tests.unit.gates import evidence, judge, row


@given(looks=st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=1, max_size=5))
def test_the_gate_meets_nothing_by_a_test_that_looked_at_nothing(looks: list[int | None]) -> None:
    good = evidence()
    names = [f"t{number}" for number in range(len(looks))]
    more = [
        Outcome(test=name, criteria=("AA-02",), status="PASS", looks=count)
        for name, count in zip(names, looks, strict=True)
    ]
    decided = row(judge(evidence(outcomes=[*good.outcomes, *more])), "AA-02")
    assert (decided.status == "met") == (0 not in looks)
    assert (NOTHING_LOOKED_AT in decided.reason) == (0 in looks)


@pytest.mark.parametrize(("looks", "status"), [(0, "FAIL"), (1, "PASS"), (None, "PASS")])
def test_the_recorder_takes_no_pass_without_a_look(tmp_path: Path, looks: int | None, status: str) -> None:
    recorder = Recorder(tmp_path / "evidence", "r1", Redactor(), "robot")
    recorder.test(name="t", status="PASS", criteria=["INT-01"], looks=looks)
    recorder.close()
    [outcome] = read_run(tmp_path)[0].outcomes
    assert outcome.status == status
    assert outcome.cause == ("environment" if status == "FAIL" else None)


LOOPS = """
*** Test Cases ***
Empty
    @{none} =    Create List
    FOR    ${x}    IN    @{none}
        Should Be Equal    ${x}    1
    END
Empty Within A Keyword
    Empty Loop
Full
    FOR    ${x}    IN    1    2
        Should Be True    ${x}
    END
Not Taken
    IF    False
        FOR    ${x}    IN    1
            Log    ${x}
        END
    END
Returned Before
    Return Before The Loop
*** Keywords ***
Empty Loop
    FOR    ${x}    IN    @{{[]}}
        Log    ${x}
    END
Return Before The Loop
    IF    True    RETURN
    FOR    ${x}    IN    1
        Log    ${x}
    END
"""


def test_loops_that_ran_zero_times_are_found_and_no_others(tmp_path: Path) -> None:
    found: dict[str, int] = {}

    class Listener:
        ROBOT_LISTENER_API_VERSION = 3

        def end_test(self, data: Any, result: Any) -> None:
            found[result.name] = len(list(empty_loops(result)))

    running.TestSuite.from_string(LOOPS).run(listener=Listener(), output=None, stdout=None, console="none")
    assert found == {"Empty": 1, "Empty Within A Keyword": 1, "Full": 0, "Not Taken": 0, "Returned Before": 0}


ROWS = """
*** Test Cases ***
Every Row Is Skipped
    [Template]    Row
    not offered: realtime
    not offered: routes.refresh
One Row Is Not Offered
    [Template]    Row
    not offered: realtime
    ${EMPTY}
One Row Cannot Be Looked At
    [Template]    Row
    CapabilityMissing: needs the capability 'sql'
    ${EMPTY}
One Row Fails
    [Template]    Row
    not offered: realtime
    wrong
*** Keywords ***
Row
    [Arguments]    ${reason}
    IF    $reason == 'wrong'    Fail    wrong
    IF    $reason    Skip    ${reason}
"""


def test_a_row_that_is_skipped_says_why_and_is_never_passed_in_silence() -> None:
    found: dict[str, tuple[str, str, set[str]]] = {}

    class Listener:
        ROBOT_LISTENER_API_VERSION = 3

        def end_test(self, data: Any, result: Any) -> None:
            left_out = _take_skipped_rows(result)
            found[result.name] = (result.status, result.message, left_out)

    running.TestSuite.from_string(ROWS).run(listener=Listener(), output=None, stdout=None, console="none")
    missing = "CapabilityMissing: needs the capability 'sql'"
    assert found == {
        "Every Row Is Skipped": ("SKIP", "not offered: realtime", {"realtime", "routes.refresh"}),
        "One Row Is Not Offered": ("PASS", "", {"realtime"}),
        "One Row Cannot Be Looked At": ("SKIP", missing, set()),
        "One Row Fails": ("FAIL", "wrong", {"realtime"}),
    }
