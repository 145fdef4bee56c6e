"""PERF-07: the load of a local run, recorded with where it was measured, and another deployment's held against it."""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import httpx

from acceptance.client import LOOPBACK
from acceptance.data import read_model
from acceptance.errors import EnvironmentUnavailable, NotApplicable, expect_none
from acceptance.evidence.records import Point
from acceptance.integration.baseline import BASELINE, Baseline, RecordedLoad
from acceptance.performance.load import Load, load
from acceptance.performance.regression import SPAN_SECONDS, Endpoint, compare, endpoint_of, not_compared
from acceptance.run import Run


async def is_no_slower_than_recorded(run: Run, scale: str) -> None:
    """No endpoint of any flow is surely slower than in the recorded local run; raises AssertionError naming each.

    Raises:
        NotApplicable: the deployment is the local baseline itself.
        EnvironmentUnavailable: nothing was recorded, or of a deployment that is not local, or an endpoint could not be
            compared.
    """
    name = run.descriptor.baseline or run.descriptor.name
    recording = read_model(BASELINE, Baseline).recordings.get(name)
    if name == run.descriptor.name and recording is not None:
        if httpx.URL(run.descriptor.services.api.url).host in LOOPBACK:
            raise NotApplicable(f"'{name}' is the local baseline itself")
        raise EnvironmentUnavailable(
            f"'{name}' is not local, so its own recording is no local baseline: name one by the descriptor's 'baseline'"
        )
    if recording is None or recording.load is None:
        raise EnvironmentUnavailable(f"no load of '{name}' is recorded in {BASELINE.name}: make baseline records it")
    seen = await load(run, scale)
    seen.must_be_complete()
    seen.must_be_measured()
    before, now = recording.load.endpoints, endpoints_of(seen)
    elsewhere = differences(recording.load.environment, environment())
    if elsewhere:
        run.evidence.note(f"the baseline '{name}' was recorded elsewhere: {'; '.join(elsewhere)}")
    found = compare(before, now)
    for one in found:
        worsening, spans = one.now - one.before, len(now[one.name].spans)
        run.observe("PERF-07", seen.name(f"worsening of {one.name}"), worsening, "ms", samples=spans)
        lines = {"recorded": _points(before[one.name]), "now": _points(now[one.name])}
        run.observe_series("PERF-07", f"first byte, {one.name}", lines, "ms")
    expect_none((str(one) for one in found if one.worse), "endpoints", expected=f"to be no slower than '{name}'")
    missing = not_compared(before, now)
    if missing:
        raise EnvironmentUnavailable(f"not every endpoint could be compared with '{name}': {'; '.join(missing)}")


async def record_load(run: Run) -> RecordedLoad:
    """The load of this deployment, as it is kept in the file.

    Raises:
        AssertionError, EnvironmentUnavailable: the load did not go through, or was not measured well: no baseline.
    """
    seen = await load(run, "full")
    seen.must_be_complete()
    seen.must_be_measured()
    return RecordedLoad(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        build=run.descriptor.build,
        environment=environment(),
        endpoints=endpoints_of(seen),
    )


def endpoints_of(seen: Load) -> dict[str, Endpoint]:
    """Each endpoint of each flow, by `flow: endpoint`."""
    samples: dict[str, list[Point]] = defaultdict(list)
    began = min((request.at for request in seen.result.requests), default=0.0)
    for request in seen.result.requests:
        if request.first_byte is not None:
            samples[f"{request.scenario}: {request.endpoint}"].append((request.at - began, request.first_byte))
    return {name: endpoint_of(samples[name]) for name in sorted(samples)}


def environment() -> dict[str, str]:
    """Where the load is applied from: what a figure of time depends on, and nothing that names the machine."""
    return {
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


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


def _points(endpoint: Endpoint) -> list[Point]:
    return [((number + 0.5) * SPAN_SECONDS, value) for number, value in enumerate(endpoint.spans)]
