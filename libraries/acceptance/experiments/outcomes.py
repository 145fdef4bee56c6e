"""Outcomes: what each request of a workload came to, and whether the contract documents it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from acceptance.clients.http import RequestTiming, Response, on_request
from acceptance.clients.throttle import TOO_MANY
from acceptance.errors import NoAnswer, Violation, violation
from acceptance.run import Run


class Kind(Enum):
    """What became of a request."""

    SERVED = "served"  # the success of its route, with what it should hold
    REFUSED = "refused"  # a documented refusal for now: with Retry-After and a readable body
    LOST = "lost"  # no whole response came
    WRONG = "wrong"  # anything else


class Answers(Enum):
    """What the responses during a fault have to be."""

    SUCCESS = "success"  # each a success: the fault is not felt
    UNAVAILABLE = "unavailable"  # some are refused for now, each of the others is a success
    EITHER = "either"  # each a success or refused for now


class Lost(Enum):
    """Which requests may stay without a response because of a fault."""

    NONE = "none"
    IN_FLIGHT = "in flight"  # those under way when the fault took effect, which may be refused in any case too
    ANY = "any"  # those of its time: it is in the client's own path


@dataclass(frozen=True)
class Outcome:
    """One request: `began` and `ended` by the monotonic clock; status 0 where no response came."""

    route: str
    status: int
    began: float
    ended: float
    kind: Kind
    problem: str = ""
    look: str = ""

    def __str__(self) -> str:
        return f"{self.route}: {self.problem or self.status} ({self.kind.value} after {self.ended - self.began:.2f} s)"


@dataclass(frozen=True)
class Span:
    """The time of a fault, by the monotonic clock: asked for, in effect at the latest, and until all was well again."""

    began: float
    in_effect: float
    ended: float

    def overlaps(self, outcome: Outcome) -> bool:
        """Whether the request was under way at any moment of the span."""
        return outcome.began <= self.ended and outcome.ended >= self.began


async def attempt(
    run: Run,
    route: str,
    *,
    right: Callable[[Response], str] = lambda response: "",
    also: Collection[int] = (),
    **request: Any,
) -> tuple[Outcome, Response | None]:
    """Send a request, and judge its response by the contract.

    Args:
        right: what is wrong with a success; empty where nothing is.
        also: statuses that count as a success here.
        request: see `ContractClient.send`.
    """
    timings: list[RequestTiming] = []
    token, begin = on_request.set(timings.append), time.monotonic()
    response: Response | None = None
    kind, problem = Kind.SERVED, ""
    try:
        response = await run.client.send(route, **request)
    except NoAnswer as error:
        kind, problem = Kind.LOST, str(error)
    except Violation as error:
        kind, problem = Kind.WRONG, str(error)
    finally:
        on_request.reset(token)
    if response is not None and response.status not in also:
        kind, problem = judged(run, response)
        if kind is Kind.SERVED and (wrong := right(response)):
            kind, problem = Kind.WRONG, f"expected {wrong}, observed {response.excerpt()}; {response.look}"
    status, look = (response.status, response.look) if response is not None else (0, "")
    if timings and response is None:
        status = timings[-1].status
    return Outcome(route, status, begin, time.monotonic(), kind, problem, look), response


def judged(run: Run, response: Response) -> tuple[Kind, str]:
    """Whether a response is the success of its route, a documented refusal for now, or wrong, and why it is."""
    expected = run.contract.route(response.route).success
    if response.status == expected:
        return Kind.SERVED, ""
    for_now = {TOO_MANY, run.contract.errors.unavailable}
    observed = f"observed {response.excerpt()}; {response.look}"
    if response.status not in for_now:
        return Kind.WRONG, f"expected {expected} or {run.contract.errors.unavailable}, {observed}"
    if not response.headers.get("retry-after", "").strip().isdigit():
        return Kind.WRONG, f"expected Retry-After with whole seconds, {observed}"
    if mistake := run.client.mistake_of_error(response):
        return Kind.WRONG, f"expected a readable body: it has {mistake}, {observed}"
    return Kind.REFUSED, ""


def must_be_documented(
    outcomes: Sequence[Outcome], faults: Sequence[Span], answers: Answers, lost: Lost, within: float
) -> None:
    """Every outcome is what it may be at its time, and within so many seconds.

    Args:
        faults: when the faults were in effect, the time until all was well again included.

    Raises:
        AssertionError: names each outcome that is not; or nothing was observed during a fault, or no refusal where
            some are expected.
    """
    during = [one for one in outcomes if any(span.overlaps(one) for span in faults)]
    problems = [problem for one in outcomes if (problem := _problem(one, faults, answers, lost, within))]
    if problems:
        few = "; ".join(f"{text} ({count} times)" if count > 1 else text for text, count in Counter(problems).items())
        raise violation("workload", expected=f"documented answers within {within:g} s", observed=few)
    if not during:
        raise violation("workload", expected="requests during the fault", observed="none")
    if answers is Answers.UNAVAILABLE and not any(one.kind is Kind.REFUSED for one in during):
        seen = f"{len(during)} requests, each of them a success"
        raise violation("workload during the fault", expected="some refused as unavailable", observed=seen)


def _problem(one: Outcome, faults: Sequence[Span], answers: Answers, lost: Lost, within: float) -> str:
    """What is wrong with an outcome; empty where nothing is."""
    over = [span for span in faults if span.overlaps(one)]
    flying = lost is Lost.IN_FLIGHT and any(one.began <= span.in_effect and one.ended >= span.began for span in over)
    if one.kind is Kind.WRONG:
        return f"{one.route}: {one.problem}"
    if one.kind is Kind.LOST:
        return "" if flying or (over and lost is Lost.ANY) else f"{one.route}: {one.problem}"
    if one.kind is Kind.REFUSED and not flying and (not over or answers is Answers.SUCCESS):
        when = "although the fault should not be felt" if over else "while no fault was in effect"
        return f"{one.route}: refused with {one.status} {when}; {one.look}"
    if one.ended - one.began > within and not (over and lost is Lost.ANY):
        return f"{one.route}: answered after {one.ended - one.began:.1f} s; {one.look}"
    return ""


def counted(outcomes: Iterable[Outcome]) -> str:
    """How many requests of which route came to what, a line for each route."""
    routes: dict[str, Counter[str]] = {}
    for one in outcomes:
        routes.setdefault(one.route, Counter())[f"{one.kind.value} {one.status or ''}".strip()] += 1
    return "\n".join(
        f"{route}: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        for route, kinds in sorted(routes.items())
    )
