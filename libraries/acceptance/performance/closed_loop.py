"""What a closed-loop user does: three flows in turn, each answer checked to be right and their own."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from acceptance.chat import Answer, ask, listed_conversations
from acceptance.clients.http import RequestTiming, on_request
from acceptance.errors import EnvironmentUnavailable, expect_none, violation
from acceptance.fixtures.handbook import Fact
from acceptance.fixtures.users import User
from acceptance.performance.generator_health import Generator, watched
from acceptance.performance.load_profiles import Scale, profile
from acceptance.performance.measured import measured_once
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import (
    Payload,
    Upload,
    announce,
    complete,
    document,
    finished,
    job_of,
    listed_documents,
    put_bytes,
    sent,
)
from acceptance.verdict.criteria import limit_for

REQUESTS = 11  # of all three flows together
UNREADABLE = (TypeError, ValueError, LookupError, AttributeError)  # what an answer of another shape ends in
Result = TypeVar("Result")
Flow = Literal["authentication", "upload", "conversation"]
FLOWS: tuple[Flow, ...] = ("authentication", "upload", "conversation")
SHOWN = 5
Span = tuple[float, float]  # from and to, by the monotonic clock
CRITERION = "PERF-12"
MEASURED = (0, 60)  # seconds that the criterion asks for, of the fewer and of all
SEED = 20_000  # of the documents of this module; so many are kept for each user:
SEEDS = 100
ASKING_SECONDS = 0.5
AT_ONCE = 8  # while users and documents are made, and while documents are followed


@dataclass
class ClosedLoopUser:
    """One closed-loop user: who they are, what they know, what they have to upload, and what became of it.

    Args:
        documents: what they have to upload, none of it twice.
        jobs_at_once: so many of their documents may be on their way at the same time.
        owners: whose a document or conversation is, by the number of the user; the same for all users.
        under_way: from when to when they were at work, by the monotonic clock; 0 until they come and leave.
    """

    number: int
    account: User
    fact: Fact
    documents: deque[Payload] = field(repr=False)
    uploads: list[Upload] = field(default_factory=list, repr=False)
    jobs_at_once: int = 1
    owners: dict[str, int] = field(default_factory=dict, repr=False)
    attempts: list[RequestSample] = field(default_factory=list, repr=False)
    under_way: tuple[float, float] = (0.0, 0.0)


class _FlowEndedError(Exception):
    """A request failed, or the time is over: the rest of the flow would say nothing."""


async def work(run: Run, user: ClosedLoopUser, pause: tuple[float, float], until: Callable[[], float]) -> None:
    """Work through the flows again and again, each user beginning with another one, until the time is over.

    Args:
        pause: shortest and longest pause between two requests, in seconds.
        until: when it is over, by the monotonic clock.
    """
    chance = random.Random(f"{run.identifier}/{user.number}")
    turn = user.number
    await asyncio.sleep(chance.uniform(0, pause[1]))  # people do not begin in the same moment
    user.under_way = (time.monotonic(), 0.0)
    try:
        while time.monotonic() < until():
            signed_in = bool(user.account.access_token)
            flow = FLOWS[turn % len(FLOWS)] if signed_in else "authentication"
            turn += 1
            try:
                await _STEPS[flow](run, user, _TimedFlow(user, flow, pause, until, chance).step)
            except _FlowEndedError:
                continue
    finally:
        user.under_way = (user.under_way[0], time.monotonic())


Step = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class _TimedFlow:
    """One flow of one user on its way."""

    user: ClosedLoopUser
    flow: Flow
    pause: tuple[float, float]
    until: Callable[[], float]
    chance: random.Random

    async def step(self, request: Coroutine[Any, Any, Result]) -> Result:
        """The result of a request, noted as an attempt; then a pause."""
        timings: list[RequestTiming] = []
        begin, problem, result = time.monotonic(), "", None
        listening = on_request.set(timings.append)
        try:
            result = await request
        except (AssertionError, *UNREADABLE) as error:
            problem = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
        finally:
            on_request.reset(listening)
        seen = timings or [RequestTiming(self.flow, 0, begin, 0.0, 0.0)]
        problems = [*[""] * (len(seen) - 1), problem]
        self.user.attempts += [
            RequestSample(self.user.number, self.flow, *one) for one in zip(seen, problems, strict=True)
        ]
        await asyncio.sleep(self.chance.uniform(*self.pause))
        if problem or time.monotonic() >= self.until():
            raise _FlowEndedError
        return result  # type: ignore[return-value]


async def _authentication(run: Run, user: ClosedLoopUser, step: Step) -> None:
    """Out, in again, who am I, and new tokens."""
    if user.account.access_token:
        token, user.account.access_token = user.account.access_token, ""
        await step(run.client.call("logout", token=token))
    await step(run.users.sign_in(user.account))
    await step(_is_shown_as(run, user.account))
    await step(run.users.refresh(user.account))


async def _upload(run: Run, user: ClosedLoopUser, step: Step) -> None:
    """A document, unless as many as are allowed are on their way; then how it goes, and what is there."""
    final = run.contract.jobs.final_states
    open_jobs = [upload for upload in user.uploads if upload.job is None or upload.job["state"] not in final]
    if len(open_jobs) < user.jobs_at_once and user.documents:
        upload = await step(_announced(run, user))
        await step(_sent(run, user, upload))
        open_jobs.append(upload)
    for upload in open_jobs[:1]:
        await step(_job_is_theirs(run, upload))
    await step(_documents_are_theirs(run, user))


async def _conversation(run: Run, user: ClosedLoopUser, step: Step) -> None:
    """A question about the own document, one that leans on it, and what was talked about."""
    answer: Answer = await step(_answered(run, user, user.fact))
    if user.fact.follow_up:
        await step(_answered(run, user, user.fact.follow_up, answer.conversation_id))
    await step(_conversations_are_theirs(run, user))


_STEPS: dict[Flow, Callable[[Run, ClosedLoopUser, Step], Coroutine[Any, Any, None]]] = {
    "authentication": _authentication,
    "upload": _upload,
    "conversation": _conversation,
}


async def _is_shown_as(run: Run, account: User) -> None:
    response = await run.client.call("user", token=account.access_token)
    if (response["user_id"], response["email"]) != (account.user_id, account.email):
        raise violation("user", expected=account.email, observed=response.excerpt(), look=response.look)


async def _job_is_theirs(run: Run, upload: Upload) -> None:
    upload.job = await job_of(run, upload)
    seen = (upload.job["job_id"], upload.job["document_id"])
    if seen != (upload.job_id, upload.document_id):
        expected = f"job {upload.job_id} of document {upload.document_id}"
        raise violation("job", expected=expected, observed=seen, look=upload.job.look)


async def _announced(run: Run, user: ClosedLoopUser) -> Upload:
    upload = await announce(run, user.account, user.documents.popleft())
    _claim(user, upload.document_id, "upload")
    return upload


async def _sent(run: Run, user: ClosedLoopUser, upload: Upload) -> None:
    await put_bytes(run, upload)
    user.uploads.append(upload)


async def _documents_are_theirs(run: Run, user: ClosedLoopUser) -> None:
    listed = [str(entry["document_id"]) for entry in await listed_documents(run, user.account)]
    _check_listed(user, "documents", listed, [upload.document_id for upload in user.uploads])


async def _answered(run: Run, user: ClosedLoopUser, fact: Fact, conversation_id: str | None = None) -> Answer:
    answer = await ask(run, user.account, fact.question, conversation_id=conversation_id)
    sources = [source.document_id for source in answer.sources]
    if not fact.answered_by(answer.text) or {user.owners.get(source) for source in sources} != {user.number}:
        expected = f"{fact.figure} from a document of {user.account.email}"
        raise violation(
            f"'{fact.question}'",
            expected=expected,
            observed=f"'{answer.text}' from {sources}",
            look=answer.response.look,
        )
    if conversation_id not in (None, answer.conversation_id):
        raise violation("chat", expected=f"conversation {conversation_id}", observed=answer.conversation_id)
    _claim(user, answer.conversation_id, "chat")
    return answer


async def _conversations_are_theirs(run: Run, user: ClosedLoopUser) -> None:
    listed = await listed_conversations(run, user.account)
    _check_listed(user, "conversations", listed, [])


def _claim(user: ClosedLoopUser, identifier: str, what: str) -> None:
    """It is this user's; raises AssertionError where it is known to be another's."""
    if user.owners.setdefault(identifier, user.number) != user.number:
        raise violation(
            what, expected=f"one of {user.account.email}", observed=f"{identifier}, which is another user's"
        )


def _check_listed(user: ClosedLoopUser, what: str, listed: Sequence[str], expected: Sequence[str]) -> None:
    """All that is expected is listed, and nothing that is known to be another user's."""
    lost = sorted(set(expected) - set(listed))
    foreign = [one for one in listed if user.owners.get(one, user.number) != user.number]
    if lost or foreign:
        own = f"all of {user.account.email}, and nothing of another user"
        raise violation(what, expected=own, observed=f"without {lost}, with another's {foreign}")


@dataclass(frozen=True)
class RequestSample:
    """One request of a user; `problem` is empty where it was answered as the contract says, with what is theirs."""

    user: int
    flow: Flow
    timing: RequestTiming
    problem: str = ""


def at_once(spans: Sequence[Span], window: Span) -> tuple[int, int]:
    """The least and the most of these that were under way in one moment of a window; an open end is one at 0."""
    changes: list[tuple[float, int]] = []
    for begin, end in spans:
        begin, end = max(begin, window[0]), min(end or window[1], window[1])
        if begin < end:
            changes += [(begin, 1), (end, -1)]
    moments: dict[float, int] = defaultdict(int)
    for at, change in changes:
        moments[at] += change
    counts, count = [], 0
    for at in sorted({window[0], *moments}):
        count += moments.get(at, 0)
        if at < window[1]:
            counts.append(count)
    return min(counts), max(counts)


def within(attempts: Iterable[RequestSample], window: Span) -> list[RequestSample]:
    """Those that began in a window."""
    return [one for one in attempts if window[0] <= one.timing.began < window[1]]


def rate(attempts: Iterable[RequestSample], window: Span) -> float:
    """Requests a second that were attempted in a window."""
    return len(within(attempts, window)) / (window[1] - window[0])


def first_bytes(
    attempts: Iterable[RequestSample], window: Span, *, without: Sequence[str] = (), only: Sequence[str] = ()
) -> list[float]:
    """Milliseconds to the first byte of each request that succeeded, of all routes, `without` some or `only` some."""
    chosen = (one for one in within(attempts, window) if not one.problem and one.timing.route not in without)
    return [1000 * one.timing.first_byte for one in chosen if not only or one.timing.route in only]


def by_route(attempts: Iterable[RequestSample], window: Span) -> dict[str, float]:
    """The mean milliseconds to the first byte of each route."""
    samples: dict[str, list[float]] = defaultdict(list)
    for one in within(attempts, window):
        samples[one.timing.route].append(1000 * one.timing.first_byte)
    return {route: sum(each) / len(each) for route, each in samples.items()}


def format_failures(failed: Sequence[RequestSample]) -> str:
    """Failed requests by route, and the first of them in their own words."""
    routes = Counter(one.timing.route for one in failed)
    counts = ", ".join(f"{count} x {route}" for route, count in routes.most_common(SHOWN))
    return f"{counts}; the first: {failed[0].problem}"


def span(attempt: RequestSample) -> Span:
    """From when to when a request was under way."""
    return (attempt.timing.began, attempt.timing.began + attempt.timing.elapsed)


@dataclass
class Load:
    """What the users did: `fewer` and `all` are the spans of the two stages, from when all their users had come."""

    scale: Scale
    users: list[ClosedLoopUser]
    fewer: Span = (0.0, 0.0)
    all: Span = (0.0, 0.0)
    generator: Generator = field(default_factory=Generator)

    @property
    def attempts(self) -> list[RequestSample]:
        """Every request that was attempted, in the order in which they began."""
        return sorted((one for user in self.users for one in user.attempts), key=lambda one: one.timing.began)

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
        shown = f"{rate_of_errors:.2f} % of {len(attempts)}: {format_failures(failed)}"
        raise violation(f"requests of {len(seen.users)} users", expected=f"errors {limit}", observed=shown)


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
            run.observe(CRITERION, seen.name(name), samples, "ms", statistic="mean")
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
        f"mean first byte of {seen.scale.fewer.users} users", expected=limit, observed=f"{mean:.1f} ms: {shown}"
    )


async def every_document_is_complete(run: Run, scale: str) -> None:
    """Every document that the users uploaded is processed to its end; raises AssertionError naming others."""
    users = (await load(run, scale)).users
    uploads = [upload for user in users for upload in user.uploads]
    out = [user.account for user in users if not user.account.access_token]  # the end came between two requests
    await together(*map(run.users.sign_in, out), at_once=AT_ONCE)

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
        samples[one.flow][int(one.timing.began - load.fewer[0])].append(1000 * one.timing.first_byte)
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


async def _prepared(run: Run, scale: Scale, pause: Span) -> list[ClosedLoopUser]:
    """The users, each with a document that is complete, and as many more to upload as they can get to."""
    limits = await run.once("limits", lambda: run.client.call("limits"))
    seconds = scale.fewer.seconds + scale.all.seconds
    rounds = 1 + math.ceil(seconds / (REQUESTS * max(sum(pause) / 2, 0.1)))
    documents = min(rounds, limits["max_uploads_per_day_per_user"] - 1, SEEDS - 1)
    owners: dict[str, int] = {}

    async def make(number: int) -> ClosedLoopUser:
        seed = SEED + SEEDS * number
        account, note = await run.users.signed_in(), await document(run, "note", seed)
        assert note.handbook is not None
        first = await _complete(run, await sent(run, account, Payload.of(note)))
        more = [await document(run, "note", seed + 1 + one) for one in range(documents)]
        owners[first.document_id] = number
        jobs = limits["max_concurrent_jobs_per_user"]
        todo = deque(map(Payload.of, more))
        return ClosedLoopUser(number, account, note.handbook.facts[0], todo, [first], jobs, owners)

    return await together(*map(make, range(max(scale.fewer.users, scale.all.users))), at_once=AT_ONCE)


async def _complete(run: Run, upload: Upload) -> Upload:
    """The same as `complete`, asking less often: asking must not become a load of its own."""
    return await complete(run, await finished(run, upload, every=ASKING_SECONDS))
