"""The outlook before a run: what its services answer, what could be verified of each criterion, what it would take."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from acceptance.checks import preflight
from acceptance.checks.preflight import Probe
from acceptance.deployment.descriptor import Descriptor
from acceptance.estimate import Amounts, Prospect, amounts_of, lost_tests, prospects, read_estimate
from acceptance.limits import UPLOADS, DeploymentLimits, limits_of
from acceptance.run import Run
from acceptance.verdict.criteria import Criteria

WIDTH = 120
COLUMN = 21  # where the reasons begin


@dataclass(frozen=True)
class Outlook:
    """Everything that is said before a run.

    Attributes:
        obstacles: why the run would not start; one line each.
        probes: what each service answered.
        limits: those of the deployment; a text where they could not be read.
        prospects: of each claimed criterion.
        amounts: what the run would send.
    """

    descriptor: Descriptor
    obstacles: list[str]
    probes: list[Probe]
    limits: DeploymentLimits | str
    prospects: list[Prospect]
    amounts: Amounts


async def look(run: Run, criteria: Criteria, claims: Sequence[str]) -> Outlook:
    """Probe the deployment as the preflight and its tests do, and estimate the rest."""
    found = await preflight.obstacles(run)
    obstacles = [f"{name}: {problem}" for name, problems in found.items() for problem in problems]
    try:
        limits: DeploymentLimits | str = await limits_of(run)
    except AssertionError as error:
        limits = str(error)
    descriptor, contract, estimate = run.descriptor, run.contract, read_estimate()
    probes = await preflight.probe_services(run)
    expected = prospects(criteria, claims, estimate, descriptor, contract)
    wrong = "; ".join(f"{probe.service}: {probe.problem}" for probe in probes if probe.problem)
    if wrong and "PRE-01" in claims:
        expected[claims.index("PRE-01")] = Prospect(criterion="PRE-01", verified="violated", why=wrong)
    lost = lost_tests(estimate, descriptor, contract)
    return Outlook(descriptor, obstacles, probes, limits, expected, amounts_of(estimate, claims, lost))


def lines(seen: Outlook) -> Iterator[str]:
    """The outlook for a terminal."""
    yield from (f"the run would not start: {problem}" for problem in seen.obstacles)
    yield from [""] * bool(seen.obstacles)
    yield f"{'service':{COLUMN}}probe"
    for probe in seen.probes:
        named = (("build", probe.build), ("version", probe.version))
        answer = [f"answered in {probe.seconds:.2f} s", *(f"{word} {value}" for word, value in named if value)]
        yield from _row(f"{probe.service:{COLUMN}}", probe.problem or ", ".join(answer))
    yield ""
    yield f"{'criterion':10}{'can be met':{COLUMN - 10}}why not, or not all of it"
    for one in seen.prospects:
        yield from _row(f"{one.criterion:10}{one.verified:{COLUMN - 10}}", one.why)
    counts = Counter(one.verified for one in seen.prospects)
    yield ""
    how_many = ", ".join(f"{count} {word}" for word, count in counts.items())
    yield f"of {counts.total()} claimed criteria: {how_many}; what cannot be met can still be violated"
    yield ""
    yield from _takes(seen)


def _row(head: str, text: str) -> Iterator[str]:
    first, *more = wrap(text, WIDTH - COLUMN) or [""]
    yield f"{head}{first}".rstrip()
    yield from (" " * COLUMN + line for line in more)


def _takes(seen: Outlook) -> Iterator[str]:
    """What the run would send, with what holds it back."""
    descriptor, amounts = seen.descriptor, seen.amounts
    a_day = seen.limits.get(UPLOADS) if isinstance(seen.limits, DeploymentLimits) else None
    if a_day:
        amounts = amounts.model_copy(update={"users": max(amounts.users, math.ceil(amounts.documents / a_day))})
    pace, budget = descriptor.pace.requests_per_second, descriptor.budget.model_dump(exclude_none=True)
    notes = {
        "users": f"{UPLOADS} is {a_day}" if a_day else f"{UPLOADS} is not known, and taken as enough",
        "requests": f"at least {amounts.requests / pace / 60:.0f} minutes at {pace:g} a second" if pace else "",
    }
    yield "what the run would create and send: an estimate, recorded of the sandbox, without what is not offered here"
    for word, value in amounts:
        allowed = budget.get(word, value)
        short = f"the budget allows {allowed:,}; what it does not leave is not verified" if allowed < value else ""
        text = "; ".join(filter(None, [f"about {value:,}", notes.get(word, ""), short]))
        yield from _row(f"{word.replace('_', ' '):{COLUMN}}", text)
    if isinstance(seen.limits, str):
        yield from _row(f"{'limits':{COLUMN}}", seen.limits)
    stays = "the users stay, and are named at the end: the descriptor does not list the capability admin-api"
    gone = "the users and all that is theirs are removed at the end"
    yield gone if "admin-api" in descriptor.capabilities else stays
