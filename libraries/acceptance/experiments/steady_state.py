"""Steady state: how quickly a deployment that is well responds, and whether it does so again after a fault."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from acceptance.checks.preflight import unhealthy
from acceptance.deployment.contract import pick
from acceptance.errors import EnvironmentUnavailable, NotOffered, expect_none, violation
from acceptance.fixtures.users import User
from acceptance.performance.regression import LEAST_SPANS, Comparison, Margin, compare
from acceptance.polling import wait_until
from acceptance.recordings import Endpoint
from acceptance.run import Run

ROUNDS = 12  # of calls, one to each route; each call is a sample
MARGIN = Margin(share=0.25, ms=50.0)  # of the area ERR in variables/criteria.yaml
HEALTHY_SECONDS = 30.0  # until what an earlier test left has passed
EVERY_SECONDS = 0.1


@dataclass(frozen=True)
class SteadyState:
    """Response times of the quick routes, in ms, by route; `user` sent the requests."""

    user: User = field(repr=False)
    samples: Mapping[str, tuple[float, ...]]

    def __str__(self) -> str:
        return ", ".join(f"{route} {endpoint.mean:.0f} ms" for route, endpoint in self.endpoints.items())

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """Each call is a span of its own: they are made one after the other."""
        return {name: Endpoint(spans=times, requests=len(times)) for name, times in self.samples.items()}


def quick_routes(run: Run) -> list[str]:
    """The routes that read, need no identifier and wait for no model; `health` is the first where there is one.

    Raises:
        NotOffered: the contract offers none of them.
    """
    found = [
        name
        for name, route in run.contract.routes.items()
        if route.method == "GET" and route.kind in ("public", "user") and route.at == "api"
        and not route.words and not route.stream and name not in run.contract.model_bound
    ]  # fmt: skip
    if not found:
        run.contract.route("health")
        raise EnvironmentUnavailable("steady state: the contract has no route that can be called without an identifier")
    return found


async def measure(run: Run, user: User, rounds: int = ROUNDS) -> SteadyState:
    """Call every quick route so many times, one after the other, when the health document calls everything healthy.

    Raises:
        AssertionError: a call is not answered as documented, or the deployment does not become healthy in time.
    """
    await until_healthy(run, HEALTHY_SECONDS)
    routes = quick_routes(run)
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for route in routes:
            response = await run.client.call(route, token=token_for(run, route, user))
            times[route].append(1000 * response.elapsed)
    return SteadyState(user, {route: tuple(samples) for route, samples in times.items()})


def compared(before: SteadyState, now: SteadyState) -> list[Comparison]:
    """The comparison of every route.

    Raises:
        EnvironmentUnavailable: a route has too few samples to be compared.
    """
    found = compare(before.endpoints, now.endpoints, "response time", MARGIN)
    missing = sorted((before.samples.keys() | now.samples.keys()) - {one.name for one in found})
    if missing or not found:
        few = f"fewer than {LEAST_SPANS} samples of {', '.join(missing) or 'every route'}"
        raise EnvironmentUnavailable(f"steady state: {few}")
    return found


def must_hold(before: SteadyState, now: SteadyState) -> list[Comparison]:
    """Every route compared; raises AssertionError naming those that are worse than before by more than the margin."""
    found = compared(before, now)
    expect_none((str(one) for one in found if one.worse), "steady state", expected="the response times of before")
    return found


async def until_healthy(run: Run, within: float) -> None:
    """Wait until the health document calls everything healthy; where the contract has no such route, do nothing.

    Raises:
        AssertionError: it does not do so within so many seconds.
    """
    if run.is_offered("routes.health"):
        await wait_until(
            partial(health_problems, run), lambda problems: not problems,
            what="health: everything is reported as well", within=within, every=EVERY_SECONDS, describe="; ".join,
        )  # fmt: skip


async def health_problems(run: Run) -> list[str]:
    """What the health document calls unwell, a line each; nothing where it does not name what could be."""
    response = await run.client.call("health")
    try:
        found = unhealthy(run.contract, response.json(), run.descriptor.environment, time.time())
    except NotOffered:
        return []
    return [f"{one} ({response.look})" for one in found]


async def until_reported(run: Run, service: str, within: float, *, healthy: bool = False) -> float:
    """Wait until the health document calls a service healthy, or not healthy, and then the whole neither.

    Where the contract does not say how the health document names the service, nothing is waited for.

    Returns:
        Seconds until it did.

    Raises:
        AssertionError: it goes on reporting something else for so many seconds; or it takes longer to come than the
            contract allows, whatever is down.
    """
    begin = time.monotonic()
    if run.is_offered("routes.health") and run.is_offered(f"health.services.{service}"):
        words = f"'{service}' is reported as healthy" if healthy else f"'{service}' and the whole are not healthy"

        def reported(seen: list[Condition]) -> bool:
            return seen[0].well if healthy else not any(one.well for one in seen)

        await wait_until(
            partial(_conditions, run, service), reported, what=f"health: {words}", within=within, every=EVERY_SECONDS,
            describe=lambda seen: f"{', '.join(map(str, seen))}; {seen[0].look}",
        )  # fmt: skip
    return time.monotonic() - begin


@dataclass(frozen=True)
class Condition:
    """What the health document says of a service, or as `status` of the whole, and whether that means healthy."""

    name: str
    value: object
    well: bool
    look: str

    def __str__(self) -> str:
        return f"{self.name} '{self.value}'"


async def _conditions(run: Run, service: str) -> list[Condition]:
    """Of the service, and of the whole where the health document names it."""
    response, health = await run.client.call("health"), run.contract.health
    if run.is_offered("health.within_seconds") and response.elapsed > health.within_seconds:
        raise violation(
            "the health document", expected=f"within {health.within_seconds:g} s, whatever is down",
            observed=f"{response.elapsed:.1f} s", look=response.look,
        )  # fmt: skip
    value = pick(response.json(), health.services[service])
    seen = [Condition(service, value, value == health.service_healthy, response.look)]
    if "status" in response.paths:
        seen.append(Condition("status", response["status"], response["status"] == health.healthy, response.look))
    return seen


def token_for(run: Run, route: str, user: User) -> str | None:
    """The user's token for a route that needs one; a public route is called without."""
    return user.access_token if run.contract.route(route).kind == "user" else None
