"""Closed-loop users at work at the same time, and how they were served (PERF-12)."""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field

from acceptance.errors import EnvironmentUnavailable, expect_none, violation
from acceptance.performance.attempts import (
    FLOWS,
    SHOWN,
    Attempt,
    Span,
    at_once,
    by_route,
    first_bytes,
    rate,
    span,
    told,
    within,
)
from acceptance.performance.generator import Generator, watched
from acceptance.performance.measured import measured_once
from acceptance.performance.profile import Scale, profile
from acceptance.performance.working import REQUESTS, User, work
from acceptance.run import Run
from acceptance.uploads import Payload, Upload, complete, document, finished, sent
from acceptance.verdict.criteria import limit_for
from acceptance.waiting import together

CRITERION = "PERF-12"
MEASURED = (0, 60)  # seconds that the criterion asks for, of the fewer and of all
SEED = 20_000  # of the documents of this module; so many are kept for each user:
SEEDS = 100
ASKING_SECONDS = 0.5
AT_ONCE = 8  # while users and documents are made, and while documents are followed


@dataclass
class Load:
    """What the users did: `fewer` and `all` are the spans of the two stages, from when all their users had come."""

    scale: Scale
    users: list[User]
    fewer: Span = (0.0, 0.0)
    all: Span = (0.0, 0.0)
    generator: Generator = field(default_factory=Generator)

    @property
    def attempts(self) -> list[Attempt]:
        """Every request that was attempted, in the order in which they began."""
        return sorted((one for user in self.users for one in user.attempts), key=lambda one: one.exchange.began)

    def name(self, figure: str) -> str:
        """The criterion's name of a figure; another one where the load was shorter than the criterion asks."""
        lasted = [end - begin for begin, end in (self.fewer, self.all)]
        enough = all(seconds >= least for seconds, least in zip(lasted, MEASURED, strict=True))
        return figure if enough else f"{figure}_of_a_short_load"


async def load(run: Run, scale: str) -> Load:
    """The users at work, once in a run; a load that is interrupted ends at once, and raises EnvironmentUnavailable."""
    return await measured_once(run, f"users at work, {scale}", lambda: _worked(run, scale))


async def users_are_at_work_at_once(run: Run, scale: str) -> None:
    """As many as the criterion asks are under way in every moment; else EnvironmentUnavailable: they are ours."""
    seen = await load(run, scale)
    least, most = at_once([user.under_way for user in seen.users], seen.all)
    busiest = at_once([span(one) for one in seen.attempts], seen.all)
    run.observe(CRITERION, seen.name("users_at_once"), least, "users", samples=1)
    run.observe(CRITERION, seen.name("users_at_once_most"), most, "users", samples=1)
    run.observe(CRITERION, seen.name("requests_at_once_most"), busiest[1], "requests", samples=1)
    run.observe(CRITERION, seen.name("requests_per_second"), rate(seen.attempts, seen.all), "1/s", samples=1)
    run.observe_series(CRITERION, seen.name("users at work"), {"users": steps(seen)}, "users")
    seen.generator.check(profile().generator)
    limit = limit_for(run.descriptor.thresholds, CRITERION, "users_at_once")
    flows = {one.flow for one in within(seen.attempts, seen.all)}
    if not limit.kept_by(least) or flows != set(FLOWS):
        shown = f"{least} of {len(seen.users)} users were at work at some moment, in {', '.join(sorted(flows))}"
        raise EnvironmentUnavailable(f"the load was not applied: only {shown}")


async def few_requests_fail(run: Run, scale: str) -> None:
    """Of all requests attempted less fail than the criterion allows; raises AssertionError naming the first of them."""
    seen = await load(run, scale)
    attempts = seen.attempts
    failed = [one for one in attempts if one.problem]
    rate_of_errors = 100 * len(failed) / len(attempts)
    run.observe(CRITERION, seen.name("error_rate"), rate_of_errors, "%", samples=len(attempts))
    limit = limit_for(run.descriptor.thresholds, CRITERION, "error_rate")
    if not limit.kept_by(rate_of_errors):
        shown = f"{rate_of_errors:.2f} % of {len(attempts)}: {told(failed)}"
        raise violation(f"requests of {len(seen.users)} users", expected=f"errors {limit}", seen=shown)


async def first_bytes_come_in_time(run: Run, scale: str) -> None:
    """The fewer users wait as long as the criterion allows on average; raises AssertionError naming slow routes."""
    seen = await load(run, scale)
    bound = run.contract.model_bound
    figures = {
        f"mean_first_byte_{seen.scale.fewer.users}_users": first_bytes(seen.attempts, seen.fewer, without=bound),
        f"mean_first_byte_{seen.scale.all.users}_users": first_bytes(seen.attempts, seen.all, without=bound),
        f"mean_first_byte_{seen.scale.fewer.users}_users_model_bound": first_bytes(
            seen.attempts, seen.fewer, only=bound
        ),
    }
    for name, samples in figures.items():
        if samples:
            run.observe_samples(CRITERION, seen.name(name), samples, "ms", statistic="mean")
    run.observe_series(CRITERION, seen.name("first byte"), by_second(seen), "ms")
    limit = limit_for(run.descriptor.thresholds, CRITERION, "mean_first_byte_30_users")
    samples = next(iter(figures.values()))
    mean = sum(samples) / len(samples) if samples else math.inf
    if limit.kept_by(mean):
        return
    seen.generator.check(profile().generator)  # a busy generator makes times longer, never shorter
    slowest = sorted(by_route(seen.attempts, seen.fewer).items(), key=lambda item: -item[1])
    shown = ", ".join(f"{route} {ms:.0f} ms" for route, ms in slowest[:SHOWN])
    raise violation(
        f"mean first byte of {seen.scale.fewer.users} users", expected=limit, seen=f"{mean:.1f} ms: {shown}"
    )


async def every_document_is_complete(run: Run, scale: str) -> None:
    """Every document that the users uploaded is processed to its end; raises AssertionError naming others."""
    users = (await load(run, scale)).users
    uploads = [upload for user in users for upload in user.uploads]
    out = [user.person for user in users if not user.person.access_token]  # the end came between two requests
    await together(*map(run.people.sign_in, out), at_once=AT_ONCE)

    async def followed(upload: Upload) -> str:
        try:
            await _complete(run, upload)
        except AssertionError as error:
            return str(error)
        return ""

    problems = await together(*map(followed, uploads), at_once=AT_ONCE)
    done = problems.count("")
    run.observe(CRITERION, "documents_completed", 100 * done / len(uploads), "%", samples=len(uploads))
    expect_none(filter(None, problems), f"{len(uploads)} documents of the users", expected="each complete")


def by_second(load: Load) -> dict[str, list[Span]]:
    """For each flow the mean milliseconds to the first byte, second by second since the load began."""
    samples: dict[str, dict[int, list[float]]] = {flow: defaultdict(list) for flow in FLOWS}
    for one in load.attempts:
        samples[one.flow][int(one.exchange.began - load.fewer[0])].append(1000 * one.exchange.first_byte)
    means = {flow: sorted((float(at), sum(x) / len(x)) for at, x in each.items()) for flow, each in samples.items()}
    return {flow: points for flow, points in means.items() if points}


def steps(load: Load) -> list[Span]:
    """How many users were at work, second by second since the fewer had all come."""
    spans = [user.under_way for user in load.users]
    begin, seconds = load.fewer[0], int(load.all[1] - load.fewer[0])
    return [(float(at), at_once(spans, (begin + at, begin + at + 1))[0]) for at in range(seconds)]


async def _worked(run: Run, scale: str) -> Load:
    chosen, settings = profile().of(scale), profile()
    users = await _prepared(run, chosen, settings.pause)
    seen = Load(chosen, users)
    over = math.inf

    def until() -> float:
        return over

    stages: list[Span] = []
    tasks: list[asyncio.Task[None]] = []
    try:
        with watched() as seen.generator:
            for stage in (chosen.fewer, chosen.all):
                more = users[len(tasks) : stage.users]
                tasks += [asyncio.ensure_future(work(run, user, settings.pause, until)) for user in more]
                await asyncio.sleep(settings.pause[1])  # in this time each of them comes
                begin = time.monotonic()
                await asyncio.wait(tasks, timeout=stage.seconds, return_when=asyncio.FIRST_EXCEPTION)
                stages.append((begin, time.monotonic()))
            over = stages[-1][1]
            await asyncio.gather(*tasks)
    except asyncio.CancelledError:
        run.observe(CRITERION, "requests_until_interrupted", len(seen.attempts), "requests", samples=1)
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    seen.fewer, seen.all = stages
    run.observe(CRITERION, seen.name("generator_lag_p99"), seen.generator.lag_p99_ms, "ms", samples=1)
    run.observe(CRITERION, seen.name("generator_cpu"), seen.generator.cpu, "%", samples=1)
    return seen


async def _prepared(run: Run, scale: Scale, pause: Span) -> list[User]:
    """The users, each with a document that is complete, and as many more to upload as they can get to."""
    limits = await run.once("limits", lambda: run.client.call("limits"))
    seconds = scale.fewer.seconds + scale.all.seconds
    rounds = 1 + math.ceil(seconds / (REQUESTS * max(sum(pause) / 2, 0.1)))
    documents = min(rounds, limits["max_uploads_per_day_per_user"] - 1, SEEDS - 1)
    owners: dict[str, int] = {}

    async def make(number: int) -> User:
        seed = SEED + SEEDS * number
        person, note = await run.people.signed_in(), await document(run, "note", seed)
        assert note.handbook is not None
        first = await _complete(run, await sent(run, person, Payload.of(note)))
        more = [await document(run, "note", seed + 1 + one) for one in range(documents)]
        owners[first.document_id] = number
        jobs = limits["max_concurrent_jobs_per_user"]
        todo = deque(map(Payload.of, more))
        return User(number, person, note.handbook.facts[0], todo, [first], jobs, owners)

    return await together(*map(make, range(max(scale.fewer.users, scale.all.users))), at_once=AT_ONCE)


async def _complete(run: Run, upload: Upload) -> Upload:
    """The same as `complete`, asking less often: asking must not become a load of its own."""
    return await complete(run, await finished(run, upload, every=ASKING_SECONDS))
