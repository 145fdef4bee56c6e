"""The load of PERF-01 … 06: users and documents are created beforehand, Artillery applies it once in a run."""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ArtilleryLibrary.fargate import dry_run
from ArtilleryLibrary.figures import HIGHEST_CPU, Ending, LoadResult
from ArtilleryLibrary.phases import Phase
from ArtilleryLibrary.process import run_load
from ArtilleryLibrary.progress import EarlyStop, Progress, progress_lines
from ArtilleryLibrary.requestlog import LoggedRequest
from ArtilleryLibrary.script import LoadScript, checked_script

from acceptance.errors import CapabilityMissing, ConfigurationError, EnvironmentUnavailable, violation
from acceptance.fixtures.users import User
from acceptance.limits import JOBS, UPLOADS, limits_of
from acceptance.performance.figures import measured_once
from acceptance.performance.load_profiles import Scale, profile
from acceptance.performance.machine_load import MachineLoad, machine_watched
from acceptance.performance.partial_results import UNFINISHED
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import PROCESSING_SECONDS, Payload, document, upload_complete
from acceptance.yaml_models import PROJECT

SCRIPT = PROJECT / "resources" / "artillery" / "artillery_cloud_config.yml"
UPLOAD = "upload"  # the request that announces a document
SEED = 20_000  # of the documents that are asked about; no other suite's
AT_ONCE = 8  # users created at the same time
Take = Callable[[LoggedRequest], float | None]  # a time of a request in milliseconds; None where it has none
Prepared = tuple[User, dict[str, str]]  # and their data for flows.cjs
IDENTIFIER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ENOUGH = 1_000_000  # where no limit is known
LISTED = 4  # of many reasons
LEAST_REQUESTS = 3  # of a flow: 1,800 flows of three guarantee the 4,814 that are asked for


def first_byte(request: LoggedRequest) -> float | None:
    """Milliseconds until the head of the response was there; None where none came."""
    return request.first_byte


def total(request: LoggedRequest) -> float | None:
    """Milliseconds until the whole response was there; None where none came."""
    return request.total


@dataclass(frozen=True)
class Load:
    """The load as it was applied."""

    script: LoadScript
    result: LoadResult
    scale: Scale
    model_bound: tuple[str, ...]
    users: Mapping[str, User] = field(default_factory=dict, repr=False)  # by their user's identifier
    known: frozenset[str] = frozenset()  # documents that were there before it
    machine: MachineLoad = field(default_factory=MachineLoad)

    def name(self, figure: str, *, of_a_busy_generator: bool = False) -> str:
        """The criterion's name of a figure; another name where the load was not the criterion's, for the gate.

        Args:
            of_a_busy_generator: the figure means the same where the generator did not keep up.
        """
        if not self.result.complete:
            return f"{figure}{UNFINISHED}"
        if self.scale.time < 1:
            return f"{figure}_of_a_short_load"
        if self.busy and not of_a_busy_generator:
            return f"{figure}_of_a_busy_generator"
        return figure

    def times(self, take: Take, *, bound: bool | None = None) -> list[float]:
        """A time (ms) of all answered requests, or of those that a model bounds (True), or does not bound (False)."""
        chosen = (one for one in self.result.requests if bound is None or (one.endpoint in self.model_bound) == bound)
        return [value for one in chosen if (value := take(one)) is not None]

    def must_be_complete(self) -> None:
        """Raises AssertionError where the deployment ended the load, EnvironmentUnavailable where we did."""
        if self.result.complete:
            return
        if self.result.ending in (Ending.STOPPED_EARLY, Ending.DEADLINE):
            self.must_be_measured()  # a load that a busy generator broke off is no violation
            raise violation("the load", expected="to go through to its end", observed=self.result.reason)
        raise EnvironmentUnavailable(f"the load did not go through to its end: {self.result.reason}")

    @property
    def busy(self) -> str:
        """Why the generator did not keep up, or its machine was others'; empty where neither is so."""
        if self.machine.crowded:
            return self.machine.crowded
        generator, most = self.result.generator, self.scale.lag_ms
        lag_alone = most is not None and generator.cpu_share <= HIGHEST_CPU and generator.lag_p99 <= most
        return "" if lag_alone and len(self.result.log.health) > 1 else generator.why

    def must_be_measured(self) -> None:
        """Raises EnvironmentUnavailable where the generator was too busy for its figures to be the deployment's."""
        if self.busy:
            raise EnvironmentUnavailable(
                f"the load generator did not keep up: {self.busy}; nothing is known about the deployment"
            )

    def must_have_shape(self, phases: Sequence[tuple[float, float]], scenarios: Sequence[str]) -> None:
        """The load has these phases (seconds, arrivals a second) and scenarios of one weight, each of them attempted.

        Raises:
            EnvironmentUnavailable: with every difference; the load is ours.
        """
        wanted = [(round(seconds * self.scale.time), rate) for seconds, rate in phases]
        found = [(round(phase.duration), phase.rate) for phase in self.script.phases]
        problems = [] if found == wanted else [f"phases (seconds, arrivals a second) are {found}, not {wanted}"]
        names = [one.name for one in self.script.scenarios]
        if sorted(names) != sorted(scenarios):
            problems.append(f"scenarios are {', '.join(names)}, not {', '.join(scenarios)}")
        if len({one.weight for one in self.script.scenarios}) > 1:
            problems.append("scenarios have different weights")
        silent = [name for name in scenarios if not self.result.figures(scenario=name).attempted]
        problems += [f"nothing was attempted in {name}" for name in silent]
        problems += [f"{count} x {reason}" for reason, count in self.result.log.step_errors.items()]
        if problems:
            raise EnvironmentUnavailable(f"the load was not applied as planned: {'; '.join(problems)}")


async def load(run: Run, scale: str) -> Load:
    """The load, applied once in a run; an interrupted one ends at once, and raises EnvironmentUnavailable."""
    return await measured_once(run, f"load, {scale}", lambda: _applied(run, scale))


def format_failures(requests: Iterable[LoggedRequest]) -> str:
    """Why requests failed, the most frequent reasons first; without identifiers, so that equal reasons count as one."""
    reasons = Counter(
        f"{one.endpoint}: {IDENTIFIER.sub('<id>', reason)}" for one in requests for reason in one.failures
    )
    return ", ".join(f"{count} x {reason}" for reason, count in reasons.most_common(LISTED)) or "no request failed"


def users_needed(script: LoadScript, concurrent_jobs: int, uploads_a_day: int) -> int:
    """How many users must share a load so that none of them reaches a limit of the deployment.

    Args:
        concurrent_jobs: documents of one user that may be processed at once; each may take as long as INT-13 allows.
        uploads_a_day: documents that one user may upload in a day.

    Raises:
        CapabilityMissing: these limits require more users than can be created.
    """
    weights = {one.name: one.weight for one in script.scenarios}
    share = sum(weights[one.name] for one in script.scenarios if UPLOAD in one.endpoints) / sum(weights.values())
    expected = script.arrivals * share
    uploads = expected + 4 * math.sqrt(expected)  # the scenario of each arrival is drawn
    at_once = max((phase.rate for phase in script.phases), default=0.0) * share * PROCESSING_SECONDS
    settings = profile()
    needed = max(
        settings.users, math.ceil(uploads / max(1, uploads_a_day - 1)), math.ceil(1.25 * at_once / concurrent_jobs)
    )
    if needed > settings.most_users:
        raise CapabilityMissing(
            "load",
            f"but {concurrent_jobs} documents at once and {uploads_a_day} a day for each user"
            f" would take {needed} users, {settings.most_users} at most can be created",
        )
    return needed


def requests_a_minute(script: LoadScript) -> int:
    """As many requests as the load makes in a minute at its peak."""
    most = max((one.requests for one in script.scenarios), default=0)
    return math.ceil(60 * most * max((phase.rate for phase in script.phases), default=0.0))


async def _applied(run: Run, scale: str) -> Load:
    settings = profile()
    taken = settings.of(scale)
    made = await prepared(run, flows(run, duration_scale=taken.time))
    script = flows(run, made, duration_scale=taken.time)
    for line in script.corrections:
        run.evidence.note(f"the load differs from its file: {line.replace(f'{PROJECT}/', '')}")
    stop = EarlyStop(error_rate=settings.stop.error_rate, after_requests=settings.stop.after_requests)
    with machine_watched(with_deployment=run.provisioned) as machine:
        result = await run_load(script, run.folder / f"load-{scale}", progress=progress(run), early_stop=stop)
    users = {user.user_id: user for user, _ in made}
    known = frozenset(known["document_id"] for _, known in made)
    return Load(script, result, taken, run.contract.model_bound, users, known, machine)


def flows(
    run: Run, users: Sequence[Prepared] = (), *, duration_scale: float = 1.0, phases: Sequence[Phase] | None = None
) -> LoadScript:
    """The script of the three flows for these users; without users it is a draft, to count with."""
    load_users = json.dumps([known for _, known in users])
    try:
        return checked_script(
            SCRIPT,
            environment={"LOAD_TARGET": run.descriptor.services.api.url, "LOAD_USERS": load_users},
            least_requests=LEAST_REQUESTS,
            expectations=True,
            duration_scale=duration_scale,
            phases=phases,
        )
    except ConfigurationError as error:  # the script is ours
        raise EnvironmentUnavailable(str(error)) from None


def must_be_allowed(run: Run, draft: LoadScript) -> None:
    """Raises CapabilityMissing where the descriptor does not allow for a load from here, or for one of this size."""
    if elsewhere := run.descriptor.load.fargate:
        command = dry_run(draft, workers=elsewhere.workers, region=elsewhere.region)
        not_here = "but the descriptor has it applied from AWS Fargate, which is composed and not started here"
        raise CapabilityMissing("load", f"{not_here}: {command}")
    run.descriptor.need_load()
    allowed, asked = run.descriptor.plan.requests_per_minute, requests_a_minute(draft)
    if allowed is not None and allowed < asked:
        raise CapabilityMissing("load", f"but the plan allows {allowed} requests a minute, and the load makes {asked}")


async def prepared(run: Run, draft: LoadScript, *, seed: int = SEED, repeats: int = 1) -> list[Prepared]:
    """As many users as such a load needs, each with a processed document.

    Args:
        repeats: how often the load will be applied; each takes its share of what a user may upload in a day.

    Raises:
        CapabilityMissing: plan or limits of the deployment do not allow for the load.
    """
    must_be_allowed(run, draft)
    limits = await limits_of(run)
    a_day = limits.at_most(UPLOADS, ENOUGH) // repeats
    number = users_needed(draft, limits.at_most(JOBS, ENOUGH), a_day)
    run.live(f"load: creating {number} users, each with a processed document")
    return await together(*(_prepared(run, one) for one in range(seed, seed + number)), at_once=AT_ONCE)


async def _prepared(run: Run, seed: int) -> Prepared:
    """A user with a processed document, and their data for flows.cjs."""
    user, note = await run.users.signed_in(), await document(run, "note", seed)
    assert note.handbook is not None
    fact = note.handbook.facts[0]
    upload = await upload_complete(run, user, Payload.of(note))
    own = {name: getattr(user, name) for name in ("user_id", "email", "password", "access_token")}
    return user, {**own, "document_id": upload.document_id, "question": fact.question, "figure": fact.figure}


def progress(run: Run, what: str = "load") -> Callable[[Progress], None]:
    """Writes the progress of a load to the console."""
    return progress_lines(lambda line: run.live(f"{what}: {line}"), sys.__stdout__)
