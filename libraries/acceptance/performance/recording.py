"""PERF-06 and 07: the recorded load of a local run and where it was measured, compared with another load."""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from acceptance.errors import EnvironmentUnavailable, NotApplicable, shortened, violation
from acceptance.evidence.records import Point
from acceptance.performance.figures import Figure
from acceptance.performance.load import Load, Take, first_byte, format_failures, load, total
from acceptance.performance.load_profiles import FULL
from acceptance.performance.regression import SPAN_SECONDS, compare, endpoint_of, means, not_compared, span_seconds
from acceptance.recordings import BASELINE, Baseline, Endpoint, RecordedLoad, reference
from acceptance.run import Run
from acceptance.yaml_models import read_model

TIMES: dict[Take, str] = {first_byte: "first byte", total: "whole answer"}


def need_recorded_load(run: Run) -> None:
    """PERF-07 compares with a recorded local run.

    Raises:
        NotApplicable: the deployment is the local baseline itself.
        EnvironmentUnavailable: nothing was recorded, or of a deployment that is not local.
    """
    name, _ = _recorded(run)
    if name == run.descriptor.name:
        raise NotApplicable(f"'{name}' is the local baseline itself")


def endpoints_slower(run: Run, seen: Load) -> Figure:
    """PERF-07: endpoints of any flow whose first byte surely comes later than in the recorded local run."""
    _, recorded = _recorded(run)
    return _compared(run, seen, "PERF-07", recorded, recorded.endpoints, first_byte)


def whole_answers_slower(run: Run, seen: Load) -> Figure:
    """PERF-06: endpoints whose whole answer surely takes longer than in the recorded local run.

    The local baseline itself is not compared; that is recorded.

    Raises:
        EnvironmentUnavailable: nothing to compare with was recorded.
    """
    name, recorded = _recorded(run)
    if name == run.descriptor.name:
        reason = f"nothing: '{name}' is the local baseline itself"
        run.observe("PERF-06", "baseline of the whole answer", reason, "text", samples=1)
        return Figure("whole answers slower than recorded", 0, "endpoints", 0, reason)
    if not recorded.totals:
        raise EnvironmentUnavailable(
            f"the load of '{name}' in {BASELINE.name} was recorded without total times: make baseline records them"
        )
    return _compared(run, seen, "PERF-06", recorded, recorded.totals, total)


def must_be_compared(run: Run, seen: Load, time: str) -> None:
    """Raises EnvironmentUnavailable where an endpoint could not be compared by this time of it."""
    name, recorded = _recorded(run)
    if name == run.descriptor.name:
        return
    before, take = (recorded.endpoints, first_byte) if time == TIMES[first_byte] else (recorded.totals, total)
    if missing := not_compared(before, endpoints_of(seen, take)):
        raise EnvironmentUnavailable(f"not every endpoint could be compared with '{name}': {'; '.join(missing)}")


async def record_load(run: Run) -> RecordedLoad:
    """The load of this deployment, for the baseline file.

    Raises:
        AssertionError, EnvironmentUnavailable: the load is incomplete, or a request failed, or the generator did not
            keep up.
    """
    seen = await load(run, FULL)
    seen.must_be_complete()
    seen.must_be_measured()
    failed = [one for one in seen.result.requests if not one.ok]
    if failed:
        attempted = len(seen.result.requests)
        raise violation(
            "requests of a load to record",
            expected="to succeed",
            observed=f"{len(failed)} of {attempted} failed: {format_failures(failed)}",
        )
    return RecordedLoad(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        build=run.descriptor.build,
        environment=environment(),
        endpoints=endpoints_of(seen, first_byte),
        totals=endpoints_of(seen, total),
    )


def endpoints_of(seen: Load, take: Take) -> dict[str, Endpoint]:
    """A time of each endpoint of each flow, by `flow: endpoint`."""
    seconds = span_seconds(seen.scale.time)
    return {name: endpoint_of(samples, seconds) for name, samples in _samples(seen, take).items()}


def environment() -> dict[str, str]:
    """The hardware and software that applies the load, without a name of the machine."""
    return {
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def format_environment(where: Mapping[str, str]) -> str:
    """An environment in words."""
    return ", ".join(f"{name} {value}" for name, value in where.items())


def differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """What is not the same in two environments."""
    names = sorted(before.keys() | now.keys())
    pairs = ((name, before.get(name, "not recorded"), now.get(name, "not known")) for name in names)
    return [f"{name} {was}, here {is_now}" for name, was, is_now in pairs if was != is_now]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def _recorded(run: Run) -> tuple[str, RecordedLoad]:
    name, recording = reference(run.descriptor, read_model(BASELINE, Baseline))
    if recording is None or recording.load is None:
        raise EnvironmentUnavailable(f"no load of '{name}' is recorded in {BASELINE.name}: make baseline records it")
    return name, recording.load


def _compared(
    run: Run, seen: Load, criterion: str, recorded: RecordedLoad, before: Mapping[str, Endpoint], take: Take
) -> Figure:
    """How many endpoints are surely slower; each comparison is recorded."""
    time = TIMES[take]
    now, elsewhere = endpoints_of(seen, take), differences(recorded.environment, environment())
    where = (
        f"other hardware or software: {'; '.join(elsewhere)}"
        if elsewhere
        else f"the same hardware and software: {format_environment(recorded.environment)}"
    )
    source = f"recorded {recorded.at[:10]} from {where}"
    run.observe(criterion, f"baseline of the {time}", source, "text", samples=1)
    found = compare(before, now, time)
    slower = [str(one) for one in found if one.worse]
    requests = sum(now[one.name].requests for one in found)
    if requests:
        figure = seen.name("endpoints_slower" if take is first_byte else "whole_answers_slower")
        run.observe(criterion, figure, len(slower), "endpoints", samples=requests)
    seconds, samples = span_seconds(seen.scale.time), _samples(seen, take)
    for one in found:
        worsening = seen.name(f"worsening of the {time}, {one.name}")
        run.observe(criterion, worsening, one.now - one.before, "ms", samples=len(now[one.name].spans))
        # Of a short load the recorded run is drawn in as little time, so that the same phases lie on each other.
        lines = {
            "recorded elsewhere" if elsewhere else "recorded": _points(
                dict(enumerate(before[one.name].spans)), SPAN_SECONDS * seen.scale.time
            ),
            "now": _points(means(samples[one.name], seconds), seconds),
        }
        run.observe_series(criterion, seen.name(f"{time}, {one.name}"), lines, "ms")
    details = "; ".join(filter(None, (shortened(slower), source)))
    return Figure(f"endpoints whose {time} is slower than recorded", len(slower), "endpoints", requests, details)


def _samples(seen: Load, take: Take) -> dict[str, list[Point]]:
    """(seconds since the first request, ms) of each endpoint of each flow."""
    samples: dict[str, list[Point]] = defaultdict(list)
    began = min((request.at for request in seen.result.requests), default=0.0)
    for request in seen.result.requests:
        if (value := take(request)) is not None:
            samples[f"{request.scenario}: {request.endpoint}"].append((request.at - began, value))
    return {name: samples[name] for name in sorted(samples)}


def _points(spans: Mapping[int, float], seconds: float) -> list[Point]:
    return [((number + 0.5) * seconds, value) for number, value in spans.items()]
