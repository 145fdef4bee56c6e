"""Defects of auto-scaling: of when instances come and go, of how they go, and of what is reported of them."""

from __future__ import annotations

import signal
from collections import deque
from typing import Any

from sandbox import scaling
from sandbox.defects import defect, mark_active, patch
from sandbox.faults.victims import send
from sandbox.scaling import Autoscaling, Fleet

History = deque[tuple[int, float]]


@defect("never-scales-up", "CLOUD", must=["CLOUD-04"])
def never_scales_up() -> None:
    """However high the load is, no instance is started."""
    decide = Fleet.decide

    def lazy(self: Fleet, history: History, limits: Autoscaling) -> int:
        now, count = history[-1][0], decide(self, history, limits)
        if count > now:
            mark_active()
        return min(now, count)

    patch(Fleet, "decide", lazy)


@defect("never-scales-down", "CLOUD", must=["CLOUD-04"])
def never_scales_down() -> None:
    """However low the load is, no instance is ended."""
    decide = Fleet.decide

    def greedy(self: Fleet, history: History, limits: Autoscaling) -> int:
        now, count = history[-1][0], decide(self, history, limits)
        if count < now:
            mark_active()
        return max(now, count)

    patch(Fleet, "decide", greedy)


@defect("instances-flap", "CLOUD", must=["CLOUD-04"])
def instances_flap() -> None:
    """An instance that was just started idles for a moment, which is taken for a low load: it is ended again."""
    decide = Fleet.decide

    def nervous(self: Fleet, history: History, limits: Autoscaling) -> int:
        if history[-1][0] > limits.min:
            mark_active()
            return limits.min
        return decide(self, history, limits)

    patch(Fleet, "decide", nervous)


@defect("exceeds-its-maximum", "CLOUD", must=["CLOUD-04"])
def exceeds_its_maximum() -> None:
    """One instance is started beyond those that are needed, without another look at the maximum."""
    bounded = scaling.bounded

    def generous(count: int, limits: Autoscaling) -> int:
        if count <= limits.min:
            return bounded(count, limits)
        mark_active()
        return bounded(count, limits) + 1

    patch(scaling, "bounded", generous)


@defect("requests-dropped-while-draining", "CLOUD", must=["CLOUD-04"])
def requests_dropped_while_draining() -> None:
    """An instance that is taken out of service ends at once, with the requests that it has."""

    async def at_once(_: Fleet, pid: int) -> None:
        mark_active()
        send(signal.SIGKILL, [pid])

    patch(Fleet, "drain", at_once)


@defect("reports-instances-that-are-not-there", "CLOUD", must=["CLOUD-04"])
def reports_instances_that_are_not_there() -> None:
    """An instance that does not start is reported as if it ran."""
    in_service, report, take = Fleet.in_service, Fleet.report, Fleet._take
    reported: list[str] = []

    def with_phantoms(self: Fleet, service: str) -> list[str]:
        return in_service(self, service) + [name for name in reported if name in scaling.HOSTED[service]]

    def listed(self: Fleet, service: str) -> list[dict[str, Any]]:
        phantoms = [name for name in reported if name in scaling.HOSTED[service]]
        known = report(self, service)
        return known + [{"id": f"{service}-{name}", "createdAt": known[0]["createdAt"]} for name in phantoms]

    async def bring(_: Fleet, service: str, name: str) -> None:
        mark_active()
        reported.append(name)

    async def forget(self: Fleet, name: str) -> None:
        if name in reported:
            reported.remove(name)
        else:
            await take(self, name)

    patch(Fleet, "in_service", with_phantoms)
    patch(Fleet, "report", listed)
    patch(Fleet, "_bring", bring)
    patch(Fleet, "_take", forget)
