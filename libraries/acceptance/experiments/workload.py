"""Workload: a few closed-loop users in the background of a test, whose requests and documents are kept."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from acceptance import uploads
from acceptance.chat import question_of
from acceptance.checks.websocket_connections import Backoff, ReconnectingClient
from acceptance.clients.http import Response, unlogged
from acceptance.clients.websocket import Frame
from acceptance.deployment.contract import by_words
from acceptance.errors import EnvironmentUnavailable, violation
from acceptance.experiments.outcomes import Kind, Outcome, Span, attempt
from acceptance.fixtures.handbook import Fact
from acceptance.fixtures.users import User
from acceptance.limits import JOBS, UPLOADS, limits_of
from acceptance.polling import together, wait_until
from acceptance.run import Run
from acceptance.uploads import Payload, Upload

SEED = 30_000  # of the documents of this module
PAUSE_SECONDS = (0.05, 0.2)  # shortest and longest between two requests of a user
UNDER_WAY_SECONDS = 20.0
STOP_SECONDS = 25.0  # until the last request of each user has come to an end
TRIES = 40  # to send the bytes of a document, while its address lives
FOLLOW_SECONDS = 120.0
PATIENCE = Backoff(first=0.05, longest=0.5, tries=80)
EVERY_SECONDS = 0.05


@dataclass
class LedgerEntry:
    """A document that the deployment has accepted; `events` of its job, where they are followed."""

    upload: Upload
    accepted: float
    following: asyncio.Task[list[Frame]] | None = None

    def __str__(self) -> str:
        return str(self.upload)


@dataclass
class WorkloadUser:
    """One user: what they have, and what they have left to upload."""

    number: int
    account: User
    first: Upload
    fact: Fact
    documents: deque[Payload] = field(default_factory=deque, repr=False)
    uploads: list[Upload] = field(default_factory=list, repr=False)
    served: dict[str, float] = field(default_factory=dict)  # action -> when the last that was served began


class Workload:
    """Users who upload, ask, read and sign in, one request after the other, until it is stopped.

    Attributes:
        outcomes: every request that has ended, in this order.
        ledger: every document that was accepted.
        marks: moments by name, by the monotonic clock.
    """

    def __init__(self, run: Run, users: Sequence[WorkloadUser]) -> None:
        self.outcomes: list[Outcome] = []
        self.ledger: list[LedgerEntry] = []
        self.marks: dict[str, float] = {}
        self.began = time.monotonic()
        self.ended: float | None = None
        self.users = users
        self._run = run
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def __str__(self) -> str:
        return f"workload of {len(self.users)} users: {len(self.outcomes)} requests, {len(self.ledger)} documents"

    __repr__ = __str__

    async def __aenter__(self) -> Self:
        self.began = time.monotonic()
        self._tasks = [asyncio.ensure_future(self._work(user)) for user in self.users]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel what is left of it."""
        self._over.set()
        following = [entry.following for entry in self.ledger if entry.following is not None]
        for task in (*self._tasks, *following):
            task.cancel()
        await asyncio.gather(*self._tasks, *following, return_exceptions=True)

    async def stop(self) -> None:
        """Let each user's last request come to its end.

        Raises:
            AssertionError: one does not.
        """
        self._over.set()
        _, left = await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        self.ended = time.monotonic()
        if left:
            raise violation("workload", expected=f"every request to end in {STOP_SECONDS:g} s", observed=f"{len(left)}")
        for task in self._tasks:
            task.result()

    def mark(self, name: str) -> float:
        """Note a moment; returns the seconds since the workload began."""
        earlier = len(self.moments(name))
        free = f"{name} {earlier + 1}" if earlier else name
        self.marks[free] = time.monotonic()
        return self.marks[free] - self.began

    def faults(self) -> list[Span]:
        """The time of each fault, by the marks `fault`, `in effect` and `recovered`; until now where one is missing."""
        now = self.ended or time.monotonic()

        def next_to(begin: float, name: str) -> float:
            return min((at for at in self.moments(name) if at >= begin), default=now)

        return [
            Span(begin, next_to(begin, "in effect"), next_to(begin, "recovered")) for begin in self.moments("fault")
        ]

    def moments(self, name: str) -> list[float]:
        """Every moment of a name, by the monotonic clock."""
        return [at for other, at in self.marks.items() if re.fullmatch(rf"{re.escape(name)}( \d+)?", other)]

    async def under_way(self, within: float = UNDER_WAY_SECONDS) -> None:
        """Wait until each user has been served once by every action, and has a document accepted.

        Raises:
            AssertionError: they are not, within so many seconds.
        """
        await self._until_served(lambda: 0.0, within, "workload: every action of each user is served")

    async def recovered(self, since: float, within: float) -> float:
        """Wait until each user has been served by every action once more, and nothing failed meanwhile.

        Probes do not know that: of several instances, each may be back at a moment of its own. Returns when the last
        request failed, by the monotonic clock; `since` where none did after it.

        Raises:
            AssertionError: requests still fail, or do not end, within so many seconds.
        """

        def last_failed() -> float:
            return max([since, *(one.ended for one in self.outcomes if one.kind is not Kind.SERVED)])

        await self._until_served(last_failed, within, "recovery: every action of each user is served once more")
        return last_failed()

    async def _until_served(self, begin: Callable[[], float], within: float, what: str) -> None:
        """Wait until each user has been served by every action since a moment that may move."""
        wanted = [name for name, _ in _actions(self._run)]

        async def missing() -> list[str]:
            self._raise_what_failed()
            since = begin()
            late = [(user, [name for name in wanted if user.served.get(name, -1.0) < since]) for user in self.users]
            return [f"user {user.number}: {', '.join(names)}" for user, names in late if names]

        def seen(lacking: list[str]) -> str:
            wrong = [str(one) for one in self.outcomes if one.kind is not Kind.SERVED]
            return "; ".join([*lacking, *wrong[-3:]])

        await wait_until(
            missing, lambda lacking: not lacking, what=what, within=within, every=EVERY_SECONDS, describe=seen
        )

    async def meets(
        self, since: float, seconds: float, within: float, kind: Kind | None = None, fault: str = "the fault"
    ) -> None:
        """Wait until a fault has lasted so long, and as many requests as users began and ended during it.

        Args:
            since: when it took effect, by the monotonic clock.
            seconds: how long it lasts at least.
            within: seconds until it is given up.
            kind: at least one of the requests has come to this.
            fault: what is in effect meanwhile, for the message.

        Raises:
            AssertionError: requests do not end in time, or none came to this.
        """
        until = since + seconds

        async def look() -> list[Outcome]:
            self._raise_what_failed()
            return [one for one in self.outcomes if one.began >= since]

        def met(seen: list[Outcome]) -> bool:
            enough = len(seen) >= len(self.users) and (kind is None or any(one.kind is kind for one in seen))
            return enough and time.monotonic() >= until

        def describe(seen: list[Outcome]) -> str:
            counts = Counter(one.kind.value for one in seen)
            wrong = [one for one in seen if one.kind is not Kind.SERVED] or seen
            totals = ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
            return "; ".join([totals, *dict.fromkeys(map(str, wrong[-3:]))])

        which = f", one of them {kind.value}" if kind else ""
        await wait_until(
            look, met, what=f"workload, during {fault}: {len(self.users)} requests that begin and end{which}",
            within=max(within, seconds), every=EVERY_SECONDS, describe=describe,
        )  # fmt: skip

    def add(self, upload: Upload) -> None:
        """Take a document that a test has uploaded itself into the ledger."""
        self.ledger.append(LedgerEntry(upload, time.monotonic()))

    def ledger_must_have_no_gap(self) -> None:
        """Raises EnvironmentUnavailable where a document that was accepted is not in the ledger."""
        last = "upload_bytes" if self._run.contract.offers("routes.upload_bytes") else "upload"
        accepted = sum(one.route == last and one.kind is Kind.SERVED for one in self.outcomes)
        if len(self.ledger) < accepted:
            raise EnvironmentUnavailable(f"ledger: {len(self.ledger)} of {accepted} documents that were accepted")

    def _raise_what_failed(self) -> None:
        """Raise what ended a user's work before its time."""
        for task in self._tasks:
            if task.done():
                task.result()
                raise EnvironmentUnavailable("workload: a user stopped working")

    async def _work(self, user: WorkloadUser) -> None:
        unlogged.set(True)  # `counted` says what became of them
        chance = random.Random(f"{self._run.identifier}/{user.number}")
        actions = _actions(self._run)
        for turn in itertools.count(user.number):
            if self._over.is_set():
                return
            (name, action), begin = actions[turn % len(actions)], time.monotonic()
            if await action(self, user):
                user.served[name] = begin
            try:
                await asyncio.wait_for(self._over.wait(), chance.uniform(*PAUSE_SECONDS))
            except TimeoutError:
                continue

    async def send(self, user: WorkloadUser, route: str, **request: Any) -> Response | None:
        """Send a request and keep its outcome; returns the response where it was served."""
        outcome, response = await attempt(self._run, route, token=user.account.access_token, **request)
        self.outcomes.append(outcome)
        return response if outcome.kind is Kind.SERVED else None

    async def upload(self, user: WorkloadUser) -> bool:
        """Upload the next document, as long as there is one."""
        if not user.documents:
            return await self.look(user)
        run, payload, begin = self._run, user.documents.popleft(), time.monotonic()
        response = await self.send(user, "upload", **uploads.announcing(run, payload))
        if response is None:
            return False
        upload = uploads.accepted(run, user.account, payload, response, begin)
        user.uploads.append(upload)
        following = asyncio.ensure_future(self._follow(upload)) if run.contract.offers("realtime.job") else None
        if await self._bytes_accepted(user, upload):
            self.ledger.append(LedgerEntry(upload, time.monotonic(), following))
            return True
        if following is not None:
            following.cancel()
        return False

    async def _bytes_accepted(self, user: WorkloadUser, upload: Upload) -> bool:
        """Whether the bytes are accepted; they are sent again while the address lives, as a client does."""
        if upload.sent is not None:
            return True
        run = self._run
        used, lost = run.contract.refused("upload_bytes", "used"), False
        for _ in range(TRIES):
            outcome, _ = await attempt(
                run, "upload_bytes", path={"signed_url": upload.signed_url, "document_id": upload.document_id,
                "job_id": upload.job_id}, content=upload.payload.data, headers={"content-type": upload.payload.mime},
                also=[used] if lost else [],
            )  # fmt: skip
            self.outcomes.append(outcome)
            if outcome.kind is Kind.SERVED:
                return True
            lost = lost or outcome.kind is Kind.LOST
            if outcome.kind is Kind.WRONG or self._over.is_set():
                return False
            await asyncio.sleep(max(PAUSE_SECONDS))
        return False

    async def _follow(self, upload: Upload) -> list[Frame]:
        """The events of a job, by a client that reconnects after each loss."""
        run = self._run
        fields, jobs = run.contract.realtime.job_event, run.contract.jobs
        client = ReconnectingClient(
            run.websocket, upload.job_id, upload.owner.access_token,
            lambda frame: jobs.has_ended(by_words(frame.data, fields)), PATIENCE,
        )  # fmt: skip
        return await client.follow(within=FOLLOW_SECONDS)

    async def look(self, user: WorkloadUser) -> bool:
        """Read the job of the latest document."""
        upload = (user.uploads or [user.first])[-1]
        path = {"job_id": upload.job_id, "document_id": upload.document_id}

        def right(job: Response) -> str:
            own = job.get("document_id", upload.document_id) == upload.document_id
            return "" if own else f"the job of document {upload.document_id}"

        return await self.send(user, "job", path=path, right=right) is not None

    async def list(self, user: WorkloadUser) -> bool:
        """Read the list of documents: the first one is in it."""
        fields = self._run.contract.listed_document

        def right(listed: Response) -> str:
            known = {str(by_words(entry, fields)["document_id"]) for entry in listed["documents"]}
            return "" if user.first.document_id in known else f"document {user.first.document_id} in the list"

        return await self.send(user, "documents", right=right) is not None

    async def list_jobs(self, user: WorkloadUser) -> bool:
        """Read the first page of the jobs, which is not empty."""

        def right(listed: Response) -> str:
            return "" if listed["jobs"] else "jobs in the list"

        return await self.send(user, "jobs", right=right) is not None

    async def ask(self, user: WorkloadUser) -> bool:
        """Ask about the first document: the answer holds the fact's figure."""

        def right(answer: Response) -> str:
            return "" if user.fact.answered_by(str(answer["text"])) else f"an answer with {user.fact.figure}"

        request = question_of(self._run, user.account, user.fact.question)
        return await self.send(user, "chat", **request, right=right) is not None

    async def profile(self, user: WorkloadUser) -> bool:
        """Read the own profile."""
        return await self.send(user, "user") is not None

    async def sign_in(self, user: WorkloadUser) -> bool:
        """Sign in once more; the former session goes on."""
        account = user.account
        outcome, response = await attempt(
            self._run, "login", body={"email": account.email, "password": account.password}
        )
        self.outcomes.append(outcome)
        if outcome.kind is Kind.SERVED and response is not None:
            account.take(response)
        return outcome.kind is Kind.SERVED


Action = Callable[[Workload, WorkloadUser], Awaitable[bool]]
_ACTIONS: dict[str, tuple[str, Action]] = {  # by the route that each needs
    "upload": ("upload", Workload.upload),
    "job": ("look", Workload.look),
    "user": ("profile", Workload.profile),
    "chat": ("ask", Workload.ask),
    "documents": ("list", Workload.list),
    "jobs": ("list jobs", Workload.list_jobs),
    "login": ("sign in", Workload.sign_in),
}


def _actions(run: Run) -> list[tuple[str, Action]]:
    """What users do, as far as the contract offers it."""
    return [action for route, action in _ACTIONS.items() if run.contract.offers(f"routes.{route}")]


async def prepared(run: Run, users: int, documents: int) -> Workload:
    """A workload of users whom all experiments of the run share, with so many documents for each to upload."""
    limits = await limits_of(run)
    seeds: Iterator[int] = run.shared.setdefault("seeds of experiments", itertools.count(SEED))
    most = limits.at_most(JOBS, documents)

    async def make(number: int) -> WorkloadUser:
        account, first = await shared_user(run, number)
        left = limits.at_most(UPLOADS, account.uploads + most) - account.uploads
        if left < 1:
            account, first = await _user(run)
            left = most
        notes = [await uploads.document(run, "note", next(seeds)) for _ in range(left)]
        return WorkloadUser(number, account, first, first.handbook.facts[0], deque(map(Payload.of, notes)))

    return Workload(run, await together(*map(make, range(users))))


async def shared_user(run: Run, number: int) -> tuple[User, Upload]:
    """A user whom all experiments of the run share: with a session that lasts, and a processed document."""
    account, first = await run.once(f"user {number} of experiments", lambda: _user(run))
    if account.expires_in and time.time() > account.signed_in_at + account.expires_in / 2:
        await run.users.sign_in(account)
    return account, first


async def _user(run: Run) -> tuple[User, Upload]:
    """A new user with a processed document."""
    account = await run.users.signed_in()
    seeds: Iterator[int] = run.shared.setdefault("seeds of experiments", itertools.count(SEED))
    note = Payload.of(await uploads.document(run, "note", next(seeds)))
    return account, await uploads.processed_now(run, account, note)
