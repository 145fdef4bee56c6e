"""Whether evidence counts: whole, sealed, recent, and of the deployment that it names.

Invalid evidence cannot satisfy a criterion; violations in it still count. So no loss, ageing or alteration of evidence
makes a verdict better.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain

from acceptance.evidence.reader import Bundle
from acceptance.verdict.criteria import Criteria

CLOCKS_DIFFER = timedelta(minutes=5)
LISTED = 3


def unsound(bundle: Bundle, criteria: Criteria, now: datetime) -> list[str]:
    """Why the evidence of a run is invalid; empty where it is valid."""
    where = f" in {bundle.home}" if bundle.home else ""
    problems = [f"damaged evidence{where}: {'; '.join(_some(bundle.damage))}"] if bundle.damage else []
    if bundle.seal is None:
        problems.append(f"the run {bundle.run} is not sealed: it did not come to its end, or its seal is gone")
    if bundle.scope is None:
        files = f" in {', '.join(_some(sorted(bundle.chains)))}" if bundle.chains else ""
        problems.append(f"nothing{files} says what the run {bundle.run} was to judge")
    problems += _out_of_time(bundle, criteria, now)
    problems += _foreign(bundle)
    if bundle.scope and bundle.scope.criteria not in ("", criteria.digest):
        problems.append(f"the run {bundle.run} was to be judged by other criteria: their file has changed since")
    named = {name for plan in bundle.plans for name in plan.tests}
    named |= {name for outcome in bundle.outcomes for name in outcome.criteria}
    named |= {observation.criterion for observation in bundle.observations}
    unknown = sorted(named - criteria.criteria.keys())
    return problems + ([f"unknown criteria are named: {', '.join(unknown)}"] if unknown else [])


def times_of(bundle: Bundle) -> list[str]:
    """The times of everything that was recorded, the seal's among them."""
    records = chain(bundle.scopes, bundle.plans, bundle.outcomes, bundle.observations, bundle.series, bundle.notes)
    return [record.time for record in records] + ([bundle.seal.time] if bundle.seal else [])


def _out_of_time(bundle: Bundle, criteria: Criteria, now: datetime) -> Iterator[str]:
    times = times_of(bundle)
    if not times:
        return
    oldest, newest = (datetime.fromisoformat(time) for time in (min(times), max(times)))
    hours = criteria.evidence.counts_for_hours
    if oldest < now - timedelta(hours=hours):
        yield f"the run {bundle.run} is of {oldest:%Y-%m-%d}: evidence counts for {hours:g} hours"
    if newest - CLOCKS_DIFFER > now:
        yield f"the run {bundle.run} is of the future: {newest:%Y-%m-%d %H:%M} UTC"
    if bundle.seal and newest - CLOCKS_DIFFER > datetime.fromisoformat(bundle.seal.time):
        yield f"the run {bundle.run} holds records that are later than its seal"


def _foreign(bundle: Bundle) -> Iterator[str]:
    scope = bundle.scope
    if scope is None:
        return
    own = {(scope.deployment, scope.build), ("", None)}
    others = {(one.deployment, one.build) for one in bundle.observations} - own
    if others:
        named = _some(sorted(f"{name} (build {build})" for name, build in others))
        yield f"the run {bundle.run} holds observations of another deployment: {', '.join(named)}"


def _some(texts: Iterable[str]) -> list[str]:
    found = list(texts)
    return found[:LISTED] + ([f"and {len(found) - LISTED} more"] if len(found) > LISTED else [])


def utc_now() -> datetime:
    """The time against which the age of evidence is judged."""
    return datetime.now(UTC)
