"""Closed-loop users (PERF-12): three flows in turn, each response checked to be right and the user's own."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from acceptance import uploads
from acceptance.chat import Answer, ask, listed_conversations
from acceptance.clients.http import RequestTiming, on_request
from acceptance.errors import EnvironmentUnavailable, shortened, violation
from acceptance.fixtures.handbook import Fact
from acceptance.fixtures.users import User
from acceptance.flow import Flow, FlowEnded, TakenStep
from acceptance.limits import JOBS, UPLOADS, limits_of
from acceptance.performance.figures import Figure, figure_of_samples, measured_once, recorded
from acceptance.performance.generator_health import Generator, watched
from acceptance.performance.load_profiles import Scale, profile
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import Payload, Upload, complete

REQUESTS = 11  # of all three flows together
# of a request: a violation, or a response of another shape
FAILURES = (AssertionError, TypeError, ValueError, LookupError, AttributeError)
FlowName = Literal["authentication", "upload", "conversation"]
FLOWS: tuple[FlowName, ...] = ("authentication", "upload", "conversation")
LISTED = 5
Span = tuple[float, float]  # from and to, by the monotonic clock
CRITERION = "PERF-12"
MEASURED = (0, 60)  # seconds that the criterion asks for, of the fewer and of all
SEED = 20_000  # of the documents of this module; so many are kept for each user:
SEEDS = 100
ASKING_SECONDS = 0.5
AT_ONCE = 8  # users and documents that are created or waited for at the same time


@dataclass
class ClosedLoopUser:
    """One closed-loop user.

    Args:
        documents: those to upload, each once.
        jobs_at_once: so many of their documents may be processed at the same time.
        owners: the number of the user that owns a document or conversation; shared by all users.
        under_way: from when to when they worked, by the monotonic clock; 0 until they begin and end.
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


async def work(run: Run, user: ClosedLoopUser, pause: tuple[float, float], until: Callable[[], float]) -> None:
    """Work through the flows again and again, each user beginning with another one, until the time is over.

    Args:
        pause: shortest and longest pause between two requests, in seconds.
        until: when it is over, by the monotonic clock.
    """
    chance = random.Random(f"{run.identifier}/{user.number}")
    timings: list[RequestTiming] = []
    on_request.set(timings.append)

    async def after() -> None:
        await asyncio.sleep(chance.uniform(*pause))
        if time.monotonic() >= until():
            raise FlowEnded

    turn = user.number
    await asyncio.sleep(chance.uniform(0, pause[1]))  # users do not begin at the same moment
    user.under_way = (time.monotonic(), 0.0)
    try:
        while time.monotonic() < until():
            flow = FLOWS[turn % len(FLOWS)] if user.account.access_token else "authentication"
            turn += 1
            async with Flow(partial(_record, user, flow, timings), failures=FAILURES, after=after) as steps:
                await _STEPS[flow](run, user, steps)
    finally:
        user.under_way = (user.under_way[0], time.monotonic())


def _record(user: ClosedLoopUser, flow: FlowName, timings: list[RequestTiming], step: TakenStep) -> None:
    """Add a step's requests to the user's samples; the last one has the problem."""
    error = step.error
    problem = ""
    if error is not None:
        problem = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
    requests = timings or [RequestTiming(flow, 0, step.began, 0.0, 0.0)]
    user.attempts += [RequestSample(user.number, flow, one) for one in requests[:-1]]
    user.attempts.append(RequestSample(user.number, flow, requests[-1], problem))
    timings.clear()


async def _authentication(run: Run, user: ClosedLoopUser, flow: Flow) -> None:
    """Sign out, sign in, read the profile, refresh the tokens."""
    if user.account.access_token:
        token, user.account.access_token = user.account.access_token, ""
        await flow.step("logout", run.client.call("logout", token=token))
    await flow.step("login", run.users.sign_in(user.account))
    await flow.step("user", _profile_is_theirs(run, user.account))
    await flow.step("refresh", run.users.refresh(user.account))


async def _upload(run: Run, user: ClosedLoopUser, flow: Flow) -> None:
    """Upload a document, unless as many as allowed are being processed; then read a job and the list."""
    jobs = run.contract.jobs
    open_jobs = [upload for upload in user.uploads if upload.job is None or not jobs.has_ended(upload.job.fields)]
    if len(open_jobs) < user.jobs_at_once and user.documents:
        upload = await flow.step("upload", _announced(run, user))
        await flow.step("upload_bytes", _sent(run, user, upload))
        open_jobs.append(upload)
    for upload in open_jobs[:1]:
        await flow.step("job", _job_is_theirs(run, upload))
    await flow.step("documents", _documents_are_theirs(run, user))


async def _conversation(run: Run, user: ClosedLoopUser, flow: Flow) -> None:
    """Ask about the own document, ask a follow-up question, list the conversations."""
    answer = await flow.step("chat", _answered(run, user, user.fact))
    if user.fact.follow_up:
        await flow.step("chat", _answered(run, user, user.fact.follow_up, answer.conversation_id))
    await flow.step("conversations", _conversations_are_theirs(run, user))


_STEPS: dict[FlowName, Callable[[Run, ClosedLoopUser, Flow], Coroutine[object, object, None]]] = {
    "authentication": _authentication,
    "upload": _upload,
    "conversation": _conversation,
}


async def _profile_is_theirs(run: Run, account: User) -> None:
    response = await run.client.call("user", token=account.access_token)
    if (response["user_id"], response["email"]) != (account.user_id, account.email):
        raise violation("user", expected=account.email, observed=response.excerpt(), look=response.look)


async def _job_is_theirs(run: Run, upload: Upload) -> None:
    upload.job = await uploads.job_of(run, upload)
    seen = (upload.job["job_id"], upload.job["document_id"])
    if seen != (upload.job_id, upload.document_id):
        expected = f"job {upload.job_id} of document {upload.document_id}"
        raise violation("job", expected=expected, observed=seen, look=upload.job.look)


async def _announced(run: Run, user: ClosedLoopUser) -> Upload:
    upload = await uploads.announce(run, user.account, user.documents.popleft())
    _claim(user, upload.document_id, "upload")
    return upload


async def _sent(run: Run, user: ClosedLoopUser, upload: Upload) -> None:
    await uploads.put_bytes(run, upload)
    user.uploads.append(upload)


async def _documents_are_theirs(run: Run, user: ClosedLoopUser) -> None:
    listed = [str(entry["document_id"]) for entry in await uploads.listed_documents(run, user.account)]
    _check_listed(user, "documents", listed, [upload.document_id for upload in user.uploads])


async def _answered(run: Run, user: ClosedLoopUser, fact: Fact, conversation_id: str | None = None) -> Answer:
    answer = await ask(run, user.account, fact.question, conversation_id=conversation_id)
    sources = [source.document_id for source in answer.sources]
    if not fact.answered_by(answer.text) or {user.owners.get(source) for source in sources} != {user.number}:
        expected, observed = f"{fact.figure} from a document of {user.account.email}", f"'{answer.text}' from {sources}"
        raise violation(f"'{fact.question}'", expected=expected, observed=observed, look=answer.response.look)
    if conversation_id not in (None, answer.conversation_id):
        raise violation("chat", expected=f"conversation {conversation_id}", observed=answer.conversation_id)
    _claim(user, answer.conversation_id, "chat")
    return answer


async def _conversations_are_theirs(run: Run, user: ClosedLoopUser) -> None:
    listed = await listed_conversations(run, user.account)
    _check_listed(user, "conversations", listed, [])


def _claim(user: ClosedLoopUser, identifier: str, what: str) -> None:
    """Note it as this user's; raises AssertionError where it is known to be another user's."""
    if user.owners.setdefault(identifier, user.number) != user.number:
        observed = f"{identifier}, which is another user's"
        raise violation(what, expected=f"one of {user.account.email}", observed=observed)


def _check_listed(user: ClosedLoopUser, what: str, listed: Sequence[str], expected: Sequence[str]) -> None:
    """All that is expected is listed, and nothing that is known to be another user's."""
    lost = sorted(set(expected) - set(listed))
    foreign = [one for one in listed if user.owners.get(one, user.number) != user.number]
    if lost or foreign:
        own = f"all of {user.account.email}, and nothing of another user"
        raise violation(what, expected=own, observed=f"without {lost}, with another's {foreign}")


@dataclass(frozen=True)
class RequestSample:
    """One request of a user; `problem` is empty where the response was the contract's, with the user's own data."""

    user: int
    flow: FlowName
    timing: RequestTiming
    problem: str = ""


def at_once(spans: Sequence[Span], window: Span) -> tuple[int, int]:
    """The least and the most of these that were under way in one moment of a window; an open end is one at 0."""
    moments: dict[float, int] = defaultdict(int)
    for begin, end in spans:
        begin, end = max(begin, window[0]), min(end or window[1], window[1])
        if begin < end:
            moments[begin] += 1
            moments[end] -= 1
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
    """Failed requests by route, and the message of the first."""
    routes = Counter(one.timing.route for one in failed)
    counts = ", ".join(f"{count} x {route}" for route, count in routes.most_common(LISTED))
    return f"{counts}; the first: {failed[0].problem}"


def span(attempt: RequestSample) -> Span:
    """From when to when a request was under way."""
    return (attempt.timing.began, attempt.timing.began + attempt.timing.elapsed)


@dataclass
class Load:
    """The users' work: `fewer` and `all` are the spans of the two stages, from when all their users are present."""

    scale: Scale
    users: list[ClosedLoopUser]
    fewer: Span = (0.0, 0.0)
    all: Span = (0.0, 0.0)
    generator: Generator = field(default_factory=Generator)

    @property
    def attempts(self) -> list[RequestSample]:
        """Every request that was attempted, in the order in which they began."""
        return sorted((one for user in self.users for one in user.attempts), key=lambda one: one.timing.began)

    def must_have_flows(self) -> None:
        """Raises EnvironmentUnavailable where all users together left one of the flows out."""
        flows = {one.flow for one in within(self.attempts, self.all)}
        if flows != set(FLOWS):
            raise EnvironmentUnavailable(f"the load was not applied: only in {', '.join(sorted(flows))}")

    def name(self, figure: str) -> str:
        """The criterion's name of a figure; another one where the load was shorter than the criterion requires."""
        lasted = [end - begin for begin, end in (self.fewer, self.all)]
        enough = all(seconds >= least for seconds, least in zip(lasted, MEASURED, strict=True))
        return figure if enough else f"{figure}_of_a_short_load"


async def load(run: Run, scale: str) -> Load:
    """The users at work, once in a run; an interrupted load ends at once, and raises EnvironmentUnavailable."""
    return await measured_once(run, f"users at work, {scale}", lambda: _worked(run, scale))


UsersFigure = Literal[
    "users_at_once", "users_at_once_most", "requests_at_once_most", "requests_per_second", "error_rate",
    "mean_first_byte_30_users", "mean_first_byte_50_users", "mean_first_byte_30_users_model_bound",
    "documents_completed",
]  # fmt: skip


async def figure(run: Run, scale: str, name: UsersFigure) -> Figure:
    """A figure of the closed-loop users, who work once in a run."""
    seen = await load(run, scale)
    make: Callable[[Run, Load], Figure | Awaitable[Figure]]
    if name.startswith("mean"):
        make = partial(_first_bytes, name=name)
    else:
        others: dict[str, Callable[[Run, Load], Figure | Awaitable[Figure]]] = {
            "documents_completed": _documents,
            "error_rate": _error_rate,
        }
        make = others.get(name, partial(_at_once, name=name))
    return await recorded(run, f"users {name}", partial(make, run, seen))


def _at_once(run: Run, seen: Load, *, name: UsersFigure) -> Figure:
    """Users and requests at once; too few users are no fault of the deployment: users are ours."""
    least, most = at_once([user.under_way for user in seen.users], seen.all)
    value, unit = {
        "users_at_once": (least, "users"),
        "users_at_once_most": (most, "users"),
        "requests_at_once_most": (at_once([span(one) for one in seen.attempts], seen.all)[1], "requests"),
        "requests_per_second": (rate(seen.attempts, seen.all), "1/s"),
    }[name]
    run.observe(CRITERION, seen.name(name), value, unit, samples=1)
    if name == "users_at_once":
        run.observe_series(CRITERION, seen.name("users at work"), {"users": steps(seen)}, "users")
    what = f"{name.replace('_', ' ')}, of {len(seen.users)} users"
    return Figure(what, value, unit, 1, ours="the load was not applied")


def _error_rate(run: Run, seen: Load) -> Figure:
    """Percent of all requests attempted, in both stages."""
    attempts = seen.attempts
    failed = [one for one in attempts if one.problem]
    percent = 100 * len(failed) / len(attempts)
    run.observe(CRITERION, seen.name("error_rate"), percent, "%", samples=len(attempts))
    what = f"errors of {len(attempts)} requests of {len(seen.users)} users"
    return Figure(what, percent, "%", len(attempts), format_failures(failed) if failed else "")


def _first_bytes(run: Run, seen: Load, *, name: UsersFigure) -> Figure:
    """A late generator makes times longer, never shorter: a mean that is too long under it is no violation."""
    bound, model = run.contract.model_bound, name.endswith("model_bound")
    window = seen.all if "50_users" in name else seen.fewer
    samples = first_bytes(seen.attempts, window, only=bound if model else (), without=() if model else bound)
    slowest = sorted(by_route(seen.attempts, window).items(), key=lambda item: -item[1])
    if name == "mean_first_byte_30_users":
        run.observe_series(CRITERION, seen.name("first byte"), by_second(seen), "ms")
    return figure_of_samples(
        run, CRITERION, seen.name(name), samples, "ms", "mean", name.replace("_", " "),
        details=", ".join(f"{route} {ms:.0f} ms" for route, ms in slowest[:LISTED]),
        ours=seen.generator.busy(profile().generator),
    )  # fmt: skip


async def _documents(run: Run, seen: Load) -> Figure:
    """Percent of the uploaded documents that are complete in the end."""
    uploads = [upload for user in seen.users for upload in user.uploads]
    out = [user.account for user in seen.users if not user.account.access_token]  # the end came between two requests
    await together(*map(run.users.sign_in, out), at_once=AT_ONCE)

    async def problem(upload: Upload) -> str:
        try:
            await _complete(run, upload)
        except AssertionError as error:
            return str(error)
        return ""

    problems = await together(*map(problem, uploads), at_once=AT_ONCE)
    percent = 100 * problems.count("") / len(uploads)
    run.observe(CRITERION, "documents_completed", percent, "%", samples=len(uploads))
    details = shortened(filter(None, problems))
    return Figure("documents of the users that are complete", percent, "%", len(uploads), details)


def by_second(load: Load) -> dict[str, list[Span]]:
    """For each flow the mean milliseconds to the first byte, second by second since the load began."""
    samples: dict[str, dict[int, list[float]]] = {flow: defaultdict(list) for flow in FLOWS}
    for one in load.attempts:
        samples[one.flow][int(one.timing.began - load.fewer[0])].append(1000 * one.timing.first_byte)
    means = {flow: sorted((float(at), sum(x) / len(x)) for at, x in each.items()) for flow, each in samples.items()}
    return {flow: points for flow, points in means.items() if points}


def steps(load: Load) -> list[Span]:
    """How many users were at work, second by second since the first stage."""
    spans = [user.under_way for user in load.users]
    begin, seconds = load.fewer[0], int(load.all[1] - load.fewer[0])
    return [(float(at), at_once(spans, (begin + at, begin + at + 1))[0]) for at in range(seconds)]


async def _worked(run: Run, scale: str) -> Load:
    settings = profile()
    chosen = settings.of(scale)
    users = await _prepared(run, chosen, settings.pause)
    seen = Load(chosen, users)
    over = math.inf

    def until() -> float:
        return over

    stages: list[Span] = []
    tasks: list[asyncio.Task[None]] = []
    try:
        with watched(with_deployment=run.provisioned) as seen.generator:
            for stage in (chosen.fewer, chosen.all):
                more = users[len(tasks) : stage.users]
                tasks += [asyncio.ensure_future(work(run, user, settings.pause, until)) for user in more]
                await asyncio.sleep(settings.pause[1])  # within this time each of them begins
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
    """The users, each with a processed document, and as many more to upload as they can get to."""
    run.descriptor.need_load()
    limits = await limits_of(run)
    seconds = scale.fewer.seconds + scale.all.seconds
    rounds = 1 + math.ceil(seconds / (REQUESTS * max(sum(pause) / 2, 0.1)))
    documents = min(limits.at_most(UPLOADS, rounds + 1) - 1, SEEDS - 1)
    owners: dict[str, int] = {}

    async def make(number: int) -> ClosedLoopUser:
        seed = SEED + SEEDS * number
        account, note = await run.users.signed_in(), await uploads.document(run, "note", seed)
        assert note.handbook is not None
        first = await _complete(run, await uploads.sent(run, account, Payload.of(note)))
        more = [await uploads.document(run, "note", seed + 1 + one) for one in range(documents)]
        owners[first.document_id] = number
        jobs = limits.at_most(JOBS, documents + 1)
        todo = deque(map(Payload.of, more))
        return ClosedLoopUser(number, account, note.handbook.facts[0], todo, [first], jobs, owners)

    return await together(*map(make, range(max(scale.fewer.users, scale.all.users))), at_once=AT_ONCE)


async def _complete(run: Run, upload: Upload) -> Upload:
    """The same as `complete`, polling less often, so that polling does not become a load of its own."""
    return await complete(run, await uploads.finished(run, upload, every=ASKING_SECONDS))
