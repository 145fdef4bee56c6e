"""Experiments of failure and recovery: steady state, workload, probes, ledger."""

from __future__ import annotations

import time
from typing import Literal

from acceptance.errors import SuiteError
from acceptance.experiments import ledger, recovery, steady_state, timeline, workload
from acceptance.experiments.ledger import End
from acceptance.experiments.outcomes import Answers, Kind, Lost, counted, must_be_documented
from acceptance.experiments.steady_state import SteadyState
from acceptance.experiments.workload import Workload
from acceptance.uploads import Upload
from robot.api.deco import library
from robot_run.keywords import Duration, keyword, seconds_of, step
from robot_run.lifecycle import the_run

RECOVERY_SECONDS = 300.0
LEDGER_SECONDS = 60.0


@library(scope="GLOBAL", version="1.0.0")
class ExperimentLibrary:
    """The parts of an experiment, in the terms of Chaos Toolkit; `resources/faults.resource` puts them together.

    A *workload* is what `Start Workload` returns: a few users who upload, ask, read and sign in, in the background of
    the steps that follow, until it is stopped or the test ends. It keeps the outcome of every request, and a *ledger*
    of every document that was accepted. `Mark Moment` names moments of it; four of them have a meaning:

    | =Mark=        | =When=                                                            |
    | ``fault``     | a fault is asked for; from here on its answers are expected       |
    | ``in effect`` | it is proven to be in effect                                      |
    | ``undone``    | it is proven to be gone; recovery is timed from here              |
    | ``recovered`` | all is well again; from here on every answer has to be a success  |

    An outcome is *served* (a success), *refused* (for now: status ``unavailable`` of the contract, with Retry-After and
    a readable body), *lost* (no whole response came), or *wrong* (anything else).
    """

    @step(within=120)
    async def measure_steady_state(self) -> SteadyState:
        """Waits until everything is reported as healthy, then measures each quick route a dozen times.

        Quick are the routes that read, need no identifier and wait for no model.

        | ${steady} =    Measure Steady State
        """
        run = the_run()
        account, _ = await workload.shared_user(run, 0)
        measured = await steady_state.measure(run, account)
        run.note(f"steady state: {measured}")
        return measured

    @step(within=120)
    async def steady_state_should_hold(self, before: SteadyState) -> None:
        """Measures the steady state again and compares it with that of before.

        Fails where a route is slower by more than max(25 %, 50 ms) at 99 % confidence.

        | Steady State Should Hold    ${steady}
        """
        run = the_run()
        now = await steady_state.measure(run, before.user)
        for one in steady_state.must_hold(before, now):
            run.note(str(one))

    @step(within=120)
    async def start_workload(self, *, users: int = 3, documents: int = 3) -> Workload:
        """Starts users in the background, and waits until each was served by every action once.

        - ``users``: how many; their accounts are shared by all workloads of the run.
        - ``documents``: so many new documents each of them uploads.

        | ${workload} =    Start Workload    users=3
        """
        run = the_run()
        started = await workload.prepared(run, users, documents)
        await run.context.channels.enter_async_context(started)
        await started.under_way()
        return started

    @step(within=60)
    async def stop_workload(self, workload: Workload) -> None:
        """Stops a workload when the last request of each user has ended; logs what became of all requests.

        | Stop Workload    ${workload}
        """
        await workload.stop()
        the_run().note(f"{workload}\n{counted(workload.outcomes)}")

    @keyword()
    def mark_moment(self, workload: Workload, name: str) -> float:
        """Gives this moment a name in the workload's timeline; returns the seconds since the workload began.

        | Mark Moment    ${workload}    fault
        """
        return workload.mark(name)

    @step(within=120)
    async def wait_until_workload_meets_fault(
        self, workload: Workload, *, duration: Duration = 2.0, kind: Kind | None = None, timeout: Duration = 30.0
    ) -> None:
        """Waits until the fault has lasted so long, and requests of the workload began and ended during it.

        - ``duration``: how long the fault lasts at least, since the mark ``in effect``.
        - ``kind``: one of the requests at least came to this, such as ``refused``.

        | Wait Until Workload Meets Fault    ${workload}    duration=2 s    kind=refused
        """
        faults = ", ".join(str(one) for one in the_run().faults.active()) or "the fault"
        await workload.meets(_latest(workload, "in effect"), seconds_of(duration), seconds_of(timeout), kind, faults)

    @step(within=120)
    async def wait_until_health_reports(
        self,
        service: str,
        condition: Literal["healthy", "unavailable"] = "unavailable",
        *,
        timeout: Duration = 10.0,
    ) -> float:
        """Waits until the health document says this of a service; returns the seconds.

        A service that is unavailable must not leave the whole healthy. What the contract does not name is left out.

        | Wait Until Health Reports    database    unavailable    timeout=5 s
        """
        within = seconds_of(timeout)
        return await steady_state.until_reported(the_run(), service, within, healthy=condition == "healthy")

    @step(within=RECOVERY_SECONDS + 10)
    async def wait_until_recovered(self, workload: Workload, *, timeout: Duration = RECOVERY_SECONDS) -> float:
        """Waits until all is well again, from outside; returns the seconds since the mark ``undone``.

        Every probe is answered as documented and all is reported healthy: the quick routes, a sign-in, the health
        document and a question. Then each user of the workload is served by every action without a failure between.

        | ${seconds} =    Wait Until Recovered    ${workload}    timeout=5 min
        """
        run, user, since, within = the_run(), workload.users[0], _latest(workload, "undone"), seconds_of(timeout)
        await recovery.until_recovered(run, user.account, since, within, user.fact.question)
        seconds = await workload.recovered(time.monotonic(), max(0.0, since + within - time.monotonic())) - since
        run.faults.recovered()
        return seconds

    @keyword()
    def add_to_ledger(self, workload: Workload, *upload: Upload) -> None:
        """Has documents that the test uploaded itself end as those of the workload have to.

        | Add To Ledger    ${workload}    ${upload}
        """
        for each in upload:
            workload.add(each)

    @step(within=180)
    async def ledger_should_be_complete(
        self, workload: Workload, *, documents: End = End.COMPLETE, timeout: Duration = LEDGER_SECONDS
    ) -> None:
        """Waits until every document of the ledger has ended, and fails unless each stands exactly once.

        - ``documents``: each ends ``complete``, or just ``ended``: complete, or failed with a readable reason.

        Looked at are job and lists over REST, the events that reconnecting clients received, and with ``sql`` the rows:
        one job, one set of chunks, one vector for each chunk.

        | Ledger Should Be Complete    ${workload}
        """
        run = the_run()
        workload.ledger_must_have_no_gap()
        await ledger.must_be_complete(run, workload.ledger, documents, seconds_of(timeout))
        run.note("\n".join(f"{entry}: {entry.upload.job and entry.upload.job['status']}" for entry in workload.ledger))

    @keyword()
    def every_answer_should_be_documented(
        self,
        workload: Workload,
        *,
        answers: Answers = Answers.EITHER,
        lost: Lost = Lost.NONE,
        within: Duration = 10.0,
    ) -> None:
        """Every request of a workload came to what it may at its time, within a bound; one at least met the fault.

        - ``answers``: during a fault, ``success`` alone, some refused as ``unavailable``, or ``either``.
        - ``lost``: which requests may stay without a response: ``none``, those ``in flight`` when the fault took
          effect, which may be refused too, or ``any`` of its time, where it is in the client's own path.
        - ``within``: how long an answer may take.

        | Every Answer Should Be Documented    ${workload}    answers=unavailable
        """
        must_be_documented(workload.outcomes, workload.faults(), answers, lost, seconds_of(within))

    @step()
    async def record_timeline(self, workload: Workload, criterion: str, name: str) -> None:
        """Records requests by what they came to, and the marks, as a chart in log.html and on the gate page.

        | Record Timeline    ${workload}    ERR-01    refuse database
        """
        began, ended = workload.began, workload.ended or max(workload.marks.values(), default=workload.began)
        lines = timeline.lines(workload.outcomes, began, ended)
        the_run().observe_series(criterion, name, lines, "requests", marks=timeline.marks(workload.marks, began))


def _latest(workload: Workload, name: str) -> float:
    moments = workload.moments(name)
    if not moments:
        raise SuiteError(f"the workload has no mark '{name}': use 'Mark Moment    ${{workload}}    {name}' before")
    return max(moments)
