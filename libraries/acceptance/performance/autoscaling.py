"""CLOUD-04: a load that rises and falls, and what the provider's instances do meanwhile."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from statistics import fmean
from typing import Literal

import httpx
from ArtilleryLibrary.figures import Ending, LoadResult
from ArtilleryLibrary.phases import Phase
from ArtilleryLibrary.process import run_load
from ArtilleryLibrary.requestlog import RequestLog
from ArtilleryLibrary.script import LoadScript, checked_script

from acceptance.deployment.descriptor import Scaling
from acceptance.deployment.trust import http_client
from acceptance.errors import ConfigurationError, EnvironmentUnavailable, NotOffered, cut, shortened
from acceptance.evidence.records import Panel, Point
from acceptance.fixtures.users import User
from acceptance.performance.figures import Figure, measured_once, recorded
from acceptance.performance.load import IDENTIFIER, must_be_allowed, progress
from acceptance.polling import together, wait_until
from acceptance.providers.render import Autoscaling, HostedService, Line, Render
from acceptance.run import Run
from acceptance.yaml_models import PROJECT

CRITERION = "CLOUD-04"
SCRIPT = PROJECT / "resources" / "artillery" / "reading_flow.yml"
USERS = 4
SAMPLE_SECONDS = 1.0
PROBES = 4  # of each sample, for each instance that is reported
ENOUGH_PROBES = 12  # for each instance: one that answers in turn or by chance is not missed
LEAST_SAMPLES = 0.3  # of those that there should be
PROBE_SECONDS = 10.0
SLOW_CLIENTS = 12  # some at each instance at any time
SLOW_SECONDS = 2.0  # that they take for a request
SLOW_ROUTE = "chat"
PAUSE_SECONDS = 0.2
SETTLED = 3  # samples
MARGIN_SECONDS = 180.0  # for the provider's interface, with its pauses, and the start of the load
PATIENT_SECONDS = 5.0  # a request that has waited so long when we end the load got no response
BEFORE, AFTER = 2.0, 20.0  # seconds around a change in which it can be the cause of a failure
RISE, FALL = 0, 1  # phases

ScalingFigure = Literal[
    "steps_up", "steps_down", "scale_up_time", "scale_down_time", "out_of_bounds", "direction_changes",
    "failed_by_change", "missing_instances",
]  # fmt: skip


@dataclass(frozen=True)
class InstanceSample:
    """What the provider reported at a time (seconds since the epoch), and which instances answered so many probes."""

    at: float
    reported: tuple[str, ...]
    answered: frozenset[str] = frozenset()
    probes: int = 0


@dataclass(frozen=True)
class Change:
    """A change of the number of instances, seen at this time."""

    at: float
    before: int
    after: int

    @property
    def up(self) -> bool:
        return self.after > self.before

    def __str__(self) -> str:
        return f"{self.before} to {self.after}"


@dataclass(frozen=True)
class Failed:
    """A request without its documented response; begin and end in seconds since the epoch."""

    began: float
    ended: float
    what: str


@dataclass
class Observation:
    """What was sampled while the load was applied, and why samples are missing."""

    samples: list[InstanceSample] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    requests: int = 0
    problem: str = ""

    @property
    def changes(self) -> list[Change]:
        """Each change of the number of instances, in order."""
        return [
            Change(later.at, len(earlier.reported), len(later.reported))
            for earlier, later in pairwise(self.samples)
            if len(earlier.reported) != len(later.reported)
        ]

    def add(self, began: float, what: str, problem: str) -> None:
        """Count a request of ours that has just ended; a problem is why it failed."""
        self.requests += 1
        if problem:
            self.failed.append(Failed(began, time.time(), f"{what}: {problem}"))


@dataclass(frozen=True)
class Scaled:
    """The load, and what was observed: `cpu` and `counts` are the provider's own series, in its resolution."""

    wanted: Scaling
    load: LoadResult
    seen: Observation
    cpu: Sequence[Line] = ()
    counts: Sequence[Line] = ()
    resolution: float = SAMPLE_SECONDS

    @property
    def rose(self) -> float:
        """When the load rose, in seconds since the epoch."""
        return self.load.log.phases.get(RISE, self.load.started)

    @property
    def fell(self) -> float:
        """When it fell again; infinite where it did not."""
        return self.load.log.phases.get(FALL, math.inf)

    @property
    def failed(self) -> list[Failed]:
        """Every request that failed, in order: those of the load, and ours.

        Those under way when we ended the load are none, unless they had waited long.
        """
        patient = (self.load.log.health[-1][0] if self.load.log.health else math.inf) - PATIENT_SECONDS
        loaded = [
            Failed(one.at, one.at + (one.total or 0.0) / 1000, f"{one.endpoint}: {'; '.join(one.failures)}")
            for one in self.load.requests
            if not one.ok and (not one.is_unfinished or one.at < patient)
        ]
        return sorted([*loaded, *self.seen.failed], key=lambda one: one.began)

    @property
    def requests(self) -> int:
        return len(self.load.requests) + self.seen.requests

    @property
    def steps_up(self) -> list[Change]:
        """The changes to more instances since the load rose."""
        return [change for change in self.seen.changes if change.up and change.at >= self.rose]

    @property
    def steps_down(self) -> list[Change]:
        """The changes to fewer instances since the load fell."""
        return [change for change in self.seen.changes if not change.up and change.at >= self.fell]

    def __str__(self) -> str:
        """Each change with its time since the load rose."""
        changes = [f"{change} after {change.at - self.rose:.0f} s" for change in self.seen.changes]
        fell = f"the load fell after {self.fell - self.rose:.0f} s" if math.isfinite(self.fell) else "it never fell"
        return f"{', '.join(changes) or 'no change'}; {fell}"

    def near_change(self) -> list[tuple[Failed, Change]]:
        """Failures that happened while, or soon after, the number of instances changed, each with the change."""
        found = []
        for one in self.failed:
            near = [c for c in self.seen.changes if one.began <= c.at + AFTER and one.ended >= c.at - BEFORE]
            found += [(one, min(near, key=lambda c: abs(one.ended - c.at)))] if near else []
        return found

    def utilization(self) -> float | None:
        """The mean CPU of the instances in the second half of the high load, in percent of one; None: not known."""
        until = min(self.fell, self.load.log.phases.get(RISE, 0.0) + self.wanted.up_within)
        found = self._cpu((self.rose + until) / 2, until)
        return fmean(map(fmean, found)) if found else None

    def needed_at_last(self) -> int:
        """How many instances the CPU of the second half of the low load needs, by target; 0 where it is not known."""
        found = self._cpu((self.fell + self.seen.samples[-1].at) / 2, math.inf) if math.isfinite(self.fell) else []
        return math.ceil(fmean(map(sum, found)) / self.wanted.target) if found else 0

    def _cpu(self, since: float, until: float) -> list[list[float]]:
        """The CPU of the instances in percent of one, for each moment of the provider's series."""
        at: dict[float, list[float]] = {}
        for line in self.cpu:
            for moment, value in line.points:
                if since <= moment < until:
                    at.setdefault(moment, []).append(100 * value)
        return list(at.values())

    def plateaus(self) -> list[list[InstanceSample]]:
        """The samples between changes of the instances, without those next to a change."""
        runs = [list(group) for _, group in groupby(self.seen.samples, key=lambda one: one.reported)]
        return [run[1:-1] for run in runs if len(run) > 2]


async def scaled(run: Run) -> Scaled:
    """The load that rises and falls, applied once in a run.

    Raises:
        CapabilityMissing: the descriptor lists no `scale` or `platform-api`, or does not allow for the load.
        EnvironmentUnavailable: the provider's interface or our own load failed.
    """
    return await measured_once(run, "a load that rises and falls", lambda: _scaled(run))


async def _scaled(run: Run) -> Scaled:
    run.descriptor.need("scale")
    wanted = run.descriptor.scaling
    assert wanted is not None  # which the capability needs
    must_be_allowed(run, draft := _script(run, wanted, ()))
    async with Render.of(run.descriptor, "platform-api") as platform:
        before = await platform.service(wanted.service)
        users = await together(*(run.users.signed_in() for _ in range(USERS)))
        async with _configured(platform, wanted, before):
            await _at_least_instances(platform, wanted)
            begin = time.time()
            async with _observed(run, platform, wanted, users[0]) as seen:
                result = await run_load(
                    _script(run, wanted, users),
                    run.folder / "scaling" / "autoscaling",
                    progress=progress(run, "rise and fall"),
                    stop=lambda log: _is_back(log, seen, wanted),
                )
            end = time.time()
            cpu, counts = [
                await platform.metric(name, begin, end, wanted.service) for name in ("cpu", "instance-count")
            ]
        found = Scaled(wanted, result, seen, cpu, counts, platform.access.resolution_seconds)
    _must_be_known(found, min(end - begin, draft.duration))
    return found


def _script(run: Run, wanted: Scaling, users: Sequence[User]) -> LoadScript:
    """The load for these users; without any it is a draft, to count with."""
    phases = [
        Phase(index=index, name=name, duration=math.ceil(seconds), rate=rate, ramp_to=rate)
        for index, name, seconds, rate in (
            (RISE, "rise", wanted.up_within, wanted.high),
            (FALL, "fall", wanted.down_within, wanted.low),
        )
    ]
    names = ("user_id", "email", "password", "access_token")
    known = json.dumps([{name: getattr(user, name) for name in names} for user in users])
    environment = {"LOAD_TARGET": run.descriptor.service(wanted.service).url, "LOAD_USERS": known}
    try:
        return checked_script(SCRIPT, environment=environment, expectations=True, phases=phases)
    except ConfigurationError as error:  # the script is ours
        raise EnvironmentUnavailable(str(error)) from None


def _is_back(log: RequestLog, seen: Observation, wanted: Scaling) -> str | None:
    """Why the load may end: it fell, and the instances followed."""
    fell = log.phases.get(FALL)
    late = [one for one in seen.samples if fell is not None and one.at > fell][-SETTLED:]
    down = any(change.at > (fell or math.inf) and not change.up for change in seen.changes)
    settled = len(late) == SETTLED and {len(one.reported) for one in late} == {wanted.min}
    return f"{wanted.min} instances again" if down and settled else None


@asynccontextmanager
async def _configured(platform: Render, wanted: Scaling, before: HostedService) -> AsyncIterator[None]:
    """Has the provider scale the service as the descriptor says, and sets back what was set before."""
    service, details = wanted.service, before.details
    own = details.autoscaling if details.autoscaling is not None and details.autoscaling.enabled else None
    if not wanted.configure:
        if own is None:
            raise EnvironmentUnavailable(
                f"the provider does not scale '{service}': enable it there, or allow `scaling.configure: true`"
            )
        yield
        return
    try:
        await platform.autoscale(service, Autoscaling.by_cpu(wanted.min, wanted.max, wanted.target))
        yield
    finally:
        await platform.autoscale(service, details.autoscaling)
        if own is None and details.instances:
            await platform.scale(service, details.instances)


async def _at_least_instances(platform: Render, wanted: Scaling) -> None:
    """Wait until no more instances than the fewest run, so that the rise of the load can be seen."""
    try:
        await wait_until(
            lambda: platform.instances(wanted.service),
            lambda found: len(found) == wanted.min,
            what=f"instances of '{wanted.service}' before the load",
            within=wanted.down_within,
            every=SAMPLE_SECONDS,
        )
    except AssertionError as error:
        raise EnvironmentUnavailable(f"not {wanted.min}, so a rise could not be seen: {error}") from None


@asynccontextmanager
async def _observed(run: Run, platform: Render, wanted: Scaling, user: User) -> AsyncIterator[Observation]:
    """Samples instances about each second while the block runs, with clients on slow lines beside the load."""
    seen = Observation()
    limits = httpx.Limits(max_keepalive_connections=0)  # each request finds its instance anew
    url = run.descriptor.service(wanted.service).url
    headers = run.descriptor.headers_of(url)
    async with http_client(url, timeout=PROBE_SECONDS, limits=limits, headers=headers) as client:
        slow = _slow_request(run, wanted, user)
        tasks = [asyncio.ensure_future(_sample_on(run, platform, wanted, client, seen))]
        tasks += [asyncio.ensure_future(_send_slowly(client, slow, seen)) for _ in range(SLOW_CLIENTS) if slow]
        try:
            yield seen
        finally:
            for task in tasks:
                task.cancel()
            endings = await asyncio.gather(*tasks, return_exceptions=True)
    for ending in endings:
        if isinstance(ending, Exception):
            raise ending


async def _sample_on(run: Run, platform: Render, wanted: Scaling, client: httpx.AsyncClient, seen: Observation) -> None:
    service = run.descriptor.service(wanted.service)
    while True:
        begin = time.monotonic()
        try:
            at, reported = time.time(), tuple(sorted(await platform.instances(wanted.service)))
        except EnvironmentUnavailable as error:
            seen.problem = str(error)
        else:
            probes = PROBES * len(reported) if wanted.instance_header and service.probe else 0
            answers = await together(
                *(_probe(client, f"{service.url}{service.probe}", wanted, seen) for _ in range(probes))
            )
            answered = frozenset(filter(None, answers))
            seen.samples.append(InstanceSample(at, reported, answered, probes))
        await asyncio.sleep(max(0.0, SAMPLE_SECONDS - (time.monotonic() - begin)))


async def _probe(client: httpx.AsyncClient, url: str, wanted: Scaling, seen: Observation) -> str:
    """The instance that answers a new connection; empty where the response does not say it."""
    began = time.time()
    try:
        response = await client.get(url)
    except httpx.HTTPError as error:
        seen.add(began, "probe", f"no response ({type(error).__name__})")
        return ""
    is_right = response.status_code == httpx.codes.OK
    seen.add(began, "probe", "" if is_right else f"expected status 200, observed {response.status_code}")
    return str(response.headers.get(wanted.instance_header or "", ""))


@dataclass(frozen=True)
class SlowRequest:
    """A request whose body takes its time, and the status that documents its refusal: it is no JSON."""

    url: str
    headers: dict[str, str]
    status: int

    async def body(self) -> AsyncIterator[bytes]:
        yield b'{"message": '
        await asyncio.sleep(SLOW_SECONDS)
        yield b"?"


def _slow_request(run: Run, wanted: Scaling, user: User) -> SlowRequest | None:
    """None where the contract does not describe such a request to the service."""
    contract = run.contract
    try:
        route, status = contract.route(SLOW_ROUTE), contract.errors.malformed_json
    except NotOffered:
        return None
    if route.at != wanted.service or route.words or route.form or route.file:
        return None
    url, headers = f"{run.descriptor.service(route.at).url}{route.path}", {"content-type": "application/json"}
    url = (route.token or contract.token).on(user.access_token, url, headers)
    return SlowRequest(url, headers, status)


async def _send_slowly(client: httpx.AsyncClient, slow: SlowRequest, seen: Observation) -> None:
    while True:
        began = time.time()
        try:
            response = await client.post(slow.url, headers=slow.headers, content=slow.body())
        except httpx.HTTPError as error:
            seen.add(began, "request on a slow line", f"no response ({type(error).__name__})")
        else:
            wrong = response.status_code != slow.status
            problem = f"expected status {slow.status}, observed {response.status_code}" if wrong else ""
            seen.add(began, "request on a slow line", problem)
        await asyncio.sleep(PAUSE_SECONDS)


def _must_be_known(found: Scaled, seconds: float) -> None:
    """Raises EnvironmentUnavailable where too little was seen to judge by."""
    if found.load.ending not in (Ending.COMPLETE, Ending.STOPPED_EARLY):
        raise EnvironmentUnavailable(f"the load did not go through: {found.load.reason}")
    samples, least = len(found.seen.samples), math.ceil(LEAST_SAMPLES * seconds / SAMPLE_SECONDS)
    if samples < least:
        why = f": {found.seen.problem}" if found.seen.problem else ""
        raise EnvironmentUnavailable(f"instances were read {samples} times in {seconds:.0f} s, at least {least}{why}")
    if not any(line.points for line in found.counts):
        raise EnvironmentUnavailable(f"the platform: instance-count: no value of '{found.wanted.service}' in that time")


def within(run: Run) -> float:
    """Seconds in which the load is over, however the provider scales."""
    wanted = run.descriptor.scaling
    return MARGIN_SECONDS + (wanted.up_within + 2 * wanted.down_within if wanted else 0.0)


async def figure(run: Run, name: ScalingFigure) -> Figure:
    """A figure of the load that rises and falls, recorded where a test first asks for it.

    `steps_up`, `steps_down`, `direction_changes`: changes of the number of instances; `scale_up_time` and
    `scale_down_time`: seconds from the rise or fall of the load to the first of them, infinite without one;
    `out_of_bounds`: samples; `failed_by_change`: requests; `missing_instances`: those that are reported and do not
    answer, or answer and are not reported.
    """

    async def make() -> Figure:
        seen = await scaled(run)
        found = _FIGURES[name](seen)
        if math.isfinite(found.value) and not found.ours:
            run.observe(CRITERION, name, found.value, found.unit, samples=found.samples)
        return found

    return await recorded(run, f"scaling, {name}", make)


def _steps_up(seen: Scaled) -> Figure:
    utilization, target = seen.utilization(), seen.wanted.target
    ours = ""
    if utilization is None:
        ours = "the platform reports no CPU of that time, so the load may have been too low"
    elif utilization <= target:
        ours = f"the load brought the instances to {utilization:.0f} % of CPU, the target is {target} %: raise `high`"
    cpu = "unknown" if utilization is None else f"{utilization:.0f} %"
    details, count = f"CPU of the instances {cpu}, target {target} %; {seen}", len(seen.steps_up)
    return Figure("steps up", count, "steps", len(seen.seen.samples), details, "" if count else ours)


def _steps_down(seen: Scaled) -> Figure:
    ours = ""
    if not any(change.up for change in seen.seen.changes):
        ours = "there was no step up before"
    elif not seen.steps_down and seen.needed_at_last() >= len(seen.seen.samples[-1].reported):
        ours = "the low load still needs as many instances: lower `low`"
    return Figure("steps down", len(seen.steps_down), "steps", len(seen.seen.samples), str(seen), ours)


def _up_time(seen: Scaled) -> Figure:
    times = [change.at - seen.rose for change in seen.steps_up]
    return Figure("seconds to scale up", min(times, default=math.inf), "s", max(1, len(times)), str(seen))


def _down_time(seen: Scaled) -> Figure:
    times = [change.at - seen.fell for change in seen.steps_down]
    return Figure("seconds to scale down", min(times, default=math.inf), "s", max(1, len(times)), str(seen))


def _out_of_bounds(seen: Scaled) -> Figure:
    counts = [len(one.reported) for one in seen.seen.samples]
    outside = [count for count in counts if not seen.wanted.min <= count <= seen.wanted.max]
    details = f"{sorted(set(outside))} instances, bounds {seen.wanted.min} to {seen.wanted.max}" if outside else ""
    return Figure("samples out of bounds", len(outside), "samples", len(counts), details)


def _direction_changes(seen: Scaled) -> Figure:
    turns = sum(earlier.up != later.up for earlier, later in pairwise(seen.seen.changes))
    return Figure("changes of direction", turns, "changes", len(seen.seen.samples), str(seen))


def _failed_by_change(seen: Scaled) -> Figure:
    near = seen.near_change()
    details = shortened(f"{one.what} {one.ended - change.at:+.1f} s from {change}" for one, change in near)
    return Figure("requests that failed by a change", len(near), "requests", seen.requests, details)


def _missing_instances(seen: Scaled) -> Figure:
    differences: list[str] = []
    compared = 0
    for plateau in seen.plateaus():
        reported = set(plateau[0].reported)
        compared += _series_agree(seen, plateau, differences)
        answered, probes = set().union(*(one.answered for one in plateau)), sum(one.probes for one in plateau)
        if seen.wanted.instance_header is None or probes < ENOUGH_PROBES * len(reported):
            continue
        compared += 1
        differences += [f"{name} is reported, and answered none of {probes}" for name in sorted(reported - answered)]
        differences += [f"{name} answered, and is not reported" for name in sorted(answered - reported)]
    ours = "" if compared else "the number of instances never stayed long enough to be compared"
    details = "; ".join(dict.fromkeys(differences)) or ours
    value = len(set(differences)) if compared else math.inf
    return Figure("instances that are not there", value, "instances", max(1, compared), details, ours)


def _series_agree(seen: Scaled, plateau: Sequence[InstanceSample], differences: list[str]) -> int:
    """Compare the provider's own series with the instances that it lists; returns how many values were compared."""
    listed, compared = len(plateau[0].reported), 0
    for line in seen.counts:
        for at, value in line.points:
            if plateau[0].at <= at and at + seen.resolution <= plateau[-1].at:
                compared += 1
                if round(value) != listed:
                    differences.append(f"instance-count says {value:g}, the list of instances {listed}")
    return compared


_FIGURES: dict[ScalingFigure, Callable[[Scaled], Figure]] = {
    "steps_up": _steps_up,
    "steps_down": _steps_down,
    "scale_up_time": _up_time,
    "scale_down_time": _down_time,
    "out_of_bounds": _out_of_bounds,
    "direction_changes": _direction_changes,
    "failed_by_change": _failed_by_change,
    "missing_instances": _missing_instances,
}


async def record_chart(run: Run) -> None:
    """The load above, the instances below, and what was seen beside them."""
    seen = await scaled(run)
    since = seen.rose
    marks = {str(change): change.at - since for change in seen.seen.changes}
    offset = seen.load.started - since
    load = [(second + offset, float(count)) for second, count in seen.load.throughput]
    instances = tuple((one.at - since, float(len(one.reported))) for one in seen.seen.samples)
    below = Panel(name="instances", unit="instances", lines={"instances": instances})
    run.observe_series(CRITERION, "requests answered", {"load": load}, "1/s", marks=marks, below=below)
    utilization = _by_instance(seen.cpu, since)
    if utilization:
        run.observe_series(CRITERION, "CPU of the instances", utilization, "%", marks=marks)
    run.observe(CRITERION, "changes", str(seen), "text", samples=len(seen.seen.samples))
    away = [one for one in seen.failed if one not in [failed for failed, _ in seen.near_change()]]
    if away:
        reasons = "; ".join(dict.fromkeys(IDENTIFIER.sub("<id>", one.what) for one in away))
        run.evidence.note(f"{CRITERION}: {len(away)} requests failed away from any change: {cut(reasons)}")


def _by_instance(lines: Iterable[Line], since: float) -> dict[str, list[Point]]:
    """Points of each instance, in percent of a core."""
    return {line.instance or line.service: [(at - since, 100 * value) for at, value in line.points] for line in lines}
