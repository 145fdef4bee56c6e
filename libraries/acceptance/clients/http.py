"""The one client of the contract: every call that the suites make by it goes through here."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import uuid
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import httpx_sse

from acceptance.clients.body import ACCEPTED, UnreadableError, bounded, parse_json
from acceptance.clients.error_log import ErrorLog
from acceptance.clients.network_path import NetworkPath
from acceptance.clients.throttle import TOO_MANY, Throttle, retry_after
from acceptance.deployment.contract import (
    MISSING,
    Contract,
    Route,
    by_words,
    compiled,
    mistake_in,
    names,
    nested,
    pick,
    with_query,
)
from acceptance.deployment.descriptor import Descriptor
from acceptance.deployment.trust import http_client
from acceptance.errors import (
    NotOffered,
    SuiteError,
    UnansweredCall,
    UnansweredOnDisturbedPath,
    Unresponsive,
    cut,
    shown,
    violation,
    visible,
)
from acceptance.redaction.redactor import Redactor

DEADLINE = 20.0  # seconds for a whole call, and one more for each so many bytes that are sent
SENT_PER_SECOND = 100_000
MOST_UNANSWERED = 5  # calls in a row; no more are made then
EXCERPT_OF = 20_000  # bytes of a body that are cleaned before its beginning is shown
FIRST_CALLS, LAST_CALLS = 12, 12  # of one step, that are logged in full
LOGGED_CHARACTERS = 400  # of a body
SECRET_FIELDS = ("access_token", "refresh_token", "signed_url")  # of responses
SECRET_WORDS = ("password", *SECRET_FIELDS)  # of requests
ERROR_EVENT = "error"  # the type of an event of a stream that reports a failure
File = tuple[str, bytes, str]  # a file's name, bytes and media type


# Whether a call waits where it is refused for its rate: not where just that is expected.
patient: ContextVar[bool] = ContextVar("patient", default=True)


@dataclass(frozen=True)
class RequestTiming:
    """One request and how it went: `began` by the monotonic clock, all in seconds; status 0 where no answer came.

    `first_byte` is the time until the head of the answer was there, connecting and waiting for a connection included.
    """

    route: str
    status: int
    began: float
    first_byte: float
    elapsed: float


# Whether the calls of the task (and its children) are left out of the log of the step under way.
unlogged: ContextVar[bool] = ContextVar("unlogged", default=False)

# Receives the timing of each request of the task (and its children) that sets it, with or without a response.
on_request: ContextVar[Callable[[RequestTiming], None] | None] = ContextVar("on_exchange", default=None)


@dataclass(frozen=True)
class Response:
    """What came back from one call. `elapsed` is the whole call in seconds, `first_byte` until its head was there."""

    route: str
    method: str
    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)
    request_id: str
    elapsed: float
    paths: Mapping[str, str] = field(repr=False, default_factory=dict)
    first_byte: float = 0.0
    clean: Callable[[str], str] = field(repr=False, default=str)
    asked_by: str = ""

    def json(self) -> Any:
        """The body as JSON, or MISSING where it is not JSON."""
        return self._parsed[0]

    @cached_property
    def _parsed(self) -> tuple[Any, str]:
        try:
            return parse_json(self.content), ""
        except ValueError as error:
            return MISSING, str(error)

    @property
    def no_json(self) -> str:
        """Why the body is no JSON; empty where it is."""
        return self._parsed[1]

    def at(self, source: str) -> Any:
        """What a source of the descriptor names, `header:NAME` or `json:PATH`; None or MISSING where nothing is."""
        kind, _, where = source.partition(":")
        return self.headers.get(where) if kind == "header" else pick(self.json(), where)

    def __getitem__(self, word: str) -> Any:
        """A field of the answer by our word for it; an unknown word is the caller's mistake: SuiteError."""
        try:
            path = self.paths[word]
        except KeyError:
            known = ", ".join(self.paths) or "none"
            raise SuiteError(f"{self.route} has no field '{word}'; it has {known}") from None
        value = pick(self.json(), path)
        if value is MISSING:
            raise violation(self.route, expected=f"a field '{path}'", observed=self.excerpt(), look=self.look)
        return value

    def get(self, word: str, default: Any = None) -> Any:
        """A field of the answer by our word for it, or a default where the contract does not offer it."""
        return self[word] if word in self.paths else default

    @property
    def fields(self) -> dict[str, Any]:
        """Every field of the answer that the contract offers, by our words."""
        return {word: self[word] for word in self.paths}

    def partly(self, word: str) -> Any:
        """A field of the answer, or an `Absent` where the contract does not offer it, for whoever reads it later."""
        absent: Mapping[str, Any] = getattr(self.paths, "absent", {})
        return absent[word] if word in absent else self[word]

    def excerpt(self) -> str:
        """Status and the beginning of the body without secrets, for messages; of a redirect, where it leads."""
        if 300 <= self.status < 400:
            return f"{self.status}, Location: {shown(self.headers.get('location', 'none'))}"
        text = self.content[:EXCERPT_OF].decode("utf-8", "replace")
        return f"{self.status} {cut(self.clean(text))}"

    @property
    def look(self) -> str:
        """Where to look this call up in the deployment's logs, and who asked."""
        who = f", as {self.asked_by}" if self.asked_by else ""
        return f"{self.method} {urlsplit(self.url).path}, request {self.request_id}{who}"


LoggedCall = tuple[float, Response, Mapping[str, Any] | None]  # when it ended, in Unix seconds, and what was sent


class ContractClient:
    """Calls a deployment by the contract: with `traceparent` and a request identifier, journalling every error body.

    A deployment that sends nothing for `timeout` seconds, or has not answered in full after `deadline`, raises
    AssertionError: it is wrong. So does one whose answer is longer than the contract's `limits.response_bytes`, or
    whose success is not as the contract says. Redirects are not followed.
    While a fault is active (`in_fault_window`), calls without an answer do not end the run; where the fault is of the
    client's own path, they raise UnansweredOnDisturbedPath, an EnvironmentUnavailable, in place of a violation.
    With a `transport` of the caller's, calls go straight to the deployment, whatever proxies the environment names.
    """

    def __init__(
        self, descriptor: Descriptor, contract: Contract, journal: ErrorLog, redactor: Redactor, timeout: float = 10.0,
        deadline: float = DEADLINE, transport: httpx.AsyncBaseTransport | None = None, path: NetworkPath | None = None,
    ) -> None:  # fmt: skip
        self.descriptor = descriptor
        self.contract = contract
        self._journal = journal
        self._redactor = redactor
        self._first: list[LoggedCall] = []
        self._latest: deque[LoggedCall] = deque(maxlen=LAST_CALLS)
        self._schemas: dict[str, Any] = {}
        self._users: dict[str, str] = {}  # by their tokens; for messages
        self.unanswered = 0  # calls that timed out since the last answer, outside of fault windows
        self.path = path or NetworkPath()
        self.in_fault_window: Callable[[], bool] = lambda: False
        self.throttle = Throttle(descriptor.pace, descriptor.budget)
        self._limited: list[str] = []  # a line for each rate limit that was hit since the log was last taken
        self._calls = 0
        self._deadline = deadline
        self._http = http_client(
            descriptor.services.api.url,
            transport=transport,
            timeout=timeout,
            headers={"accept-encoding": ACCEPTED},
            # All users of a run share this client: what one was given must not be sent for another.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=120, keepalive_expiry=4.0),
        )
        self.path.watch(self._http)

    async def call(
        self,
        route: str,
        *,
        status: int | str | None = None,
        otherwise: Callable[[Response], None] | None = None,
        **request: Any,
    ) -> Response:
        """Send, and check what the contract says of the response.

        Args:
            route: name of the route in the contract.
            status: the exact status expected, or a name for it (`Contract.status_of`); None is the route's success.
            otherwise: gets a response of another status than that, before it is reported.
            request: see :meth:`send`.

        Raises:
            AssertionError: another status, a missing field, or of a refusal that has a code in the contract, another
                code. The shape of errors is judged once, by INT-12.
        """
        expected = None if status is None else self.contract.status_of(route, status)
        token = patient.set(expected != TOO_MANY)
        try:
            response = await self.send(route, **request)
            if otherwise and response.status != self.contract.status_of(route, "success" if status is None else status):
                otherwise(response)
            return self.check(response, status)
        finally:
            patient.reset(token)

    def check(self, response: Response, status: int | str | None = None) -> Response:
        """The response, where it is what the contract says; see :meth:`call`."""
        expected = self.contract.status_of(response.route, "success" if status is None else status)
        if response.status != expected:
            raise violation(
                response.route, expected=f"status {expected}", observed=response.excerpt(), look=response.look
            )
        wanted = self.contract.offers(f"errors.codes.{status}") and self.contract.value(f"errors.codes.{status}")
        if wanted and response.status != self.contract.route(response.route).success:
            code = by_words(response.json(), self._error_paths(response)).get("code", MISSING)
            if code is not MISSING and code != wanted:
                raise violation(response.route, expected=f"the error code {wanted}", observed=code, look=response.look)
        return response

    def _is_duplicate(self, response: Response) -> bool:
        """Whether it is a refused duplicate whose body the contract describes apart from other errors."""
        described = response.route == "upload" and self.contract.offers("duplicate")
        return described and self._is_refused_as("duplicate_document", response)

    def _is_refused_as(self, refusal: str, response: Response) -> bool:
        """Whether a response has the status of a refusal of `errors` that the contract offers."""
        place = f"errors.{refusal}"
        return self.contract.offers(place) and response.status == self.contract.value(place)

    def _is_refused_by_size(self, response: Response) -> bool:
        """Whether it may be of what stands before a provider's service, and refuses a long body by words of its own."""
        named = names(self.contract.service_errors)
        return self._is_refused_as("oversized_json", response) and self.contract.route(response.route).at in named

    def _error_paths(self, response: Response) -> Mapping[str, str]:
        """The fields of an error's body, as far as the contract describes it."""
        try:
            return self.contract.error_shape(response.route)
        except NotOffered:
            return {}

    def mistake_of_error(self, response: Response) -> str:
        """What is wrong with the body of a refusal, by the contract; empty where nothing is.

        The body of a duplicate is flat: the contract's fields, each a text, and no others.
        """
        if self._is_refused_by_size(response):
            return ""
        duplicate, document = self._is_duplicate(response), response.json()
        paths = self.contract.duplicate if duplicate else self._error_paths(response)
        values = by_words(document, paths)
        more = duplicate and isinstance(document, dict) and len(document) > len({*paths.values()})
        if more or MISSING in values.values():
            wanted = nested((path, path) for path in paths.values())
            return f"the shape {cut(shape_of(document))}, the contract says {shape_of(wanted)}"
        bare = "message" in paths and "code" not in paths  # FastAPI lists the mistakes of a request where its text is
        wrong = [
            path
            for word, path in paths.items()
            if not values[word] or not isinstance(values[word], str | list if bare and word == "message" else str)
        ]
        if wrong:
            return f"no text in {', '.join(wrong)}"
        header = response.headers.get(self._request_id_header)
        if self._request_id_header and values.get("request_id", header) != header:
            return "another request identifier than the header"
        if duplicate and "error_type" in values and values["error_type"] != self.contract.duplicate_type:
            return f"the type {shown(values['error_type'])}, the contract says '{self.contract.duplicate_type}'"
        return ""

    async def send(
        self,
        route: str,
        *,
        path: Mapping[str, object] | None = None,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
        file: File | None = None,
    ) -> Response:
        """Send one call and take whatever comes back.

        Args:
            path: values for the braces of the route's path; bytes need not be text.
            body: our words and values of the JSON body, or of the form.
            query: our words and values of the query; bytes need not be text.
            token: access token; None sends none.
            headers: further headers.
            content: raw bytes in place of `body`; an iterable is sent without announcing its length.
            file: what a route that takes a file gets; another one is sent where it is not given.

        Raises:
            AssertionError: no answer came.
        """
        entry, sent = self.contract.route(route), self._headers(headers)
        payload = content
        if content is None and (body is not None or entry.constant or entry.file):
            payload, media = encoded(entry, body or {}, file)
            sent.setdefault("content-type", media)
        url = with_query(self.url(entry, path or {}), entry.parameters(query or {}))
        response = await self._exchange(route, entry.method, url, sent, payload, entry.answer, token=token)
        self._log(response, body)
        return response

    async def fetch(self, url: str, *, token: str | None = None) -> Response:
        """GET an address beside the routes of the contract, and take whatever comes back.

        Raises:
            AssertionError: no answer came.
        """
        response = await self._exchange("GET", "GET", url, self._headers(None), None, {}, token=token)
        self._log(response, None)
        return response

    @asynccontextmanager
    async def stream(
        self, route: str, *, path: Mapping[str, object], token: str | None, query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[httpx.Response]:  # fmt: skip
        """An answer whose body arrives bit by bit; its status is not yet judged. No time limit after its head."""
        entry = self.contract.route(route)
        await self.throttle.turn(*self._spent(route))
        url, begin = with_query(self.url(entry, path), entry.parameters(query or {})), time.monotonic()
        sent = self._headers({"accept": "text/event-stream", **(headers or {})})
        target, sent = self._complete(route, url, sent, token)
        payload = None
        if body is not None:
            payload, sent["content-type"] = encoded(entry, body)
        timeout = httpx.Timeout(self._http.timeout.connect, read=None)
        head = asyncio.timeout(self._deadline)
        try:
            async with (
                head,
                self._http.stream(entry.method, target, headers=sent, content=payload, timeout=timeout) as received,
            ):
                head.reschedule(None)
                self.unanswered = 0
                yield received
        except (httpx.HTTPError, UnreadableError) as error:
            raise self._unanswered(route, entry.method, url, error, begin, sent) from None
        except TimeoutError as error:
            if not head.expired():
                raise
            raise self._unanswered(route, entry.method, url, error, begin, sent) from None

    def url(self, route: Route, path: Mapping[str, object]) -> str:
        """The address of a route with the braces of its path filled in; SuiteError where a value is missing."""
        if lacking := [word for word in route.words if word not in path]:
            raise SuiteError(f"{route.method} {route.path}: no value for {{{lacking[0]}}}")
        quoted = {
            word: quote(value if isinstance(value, bytes) else str(value), safe="") for word, value in path.items()
        }
        filled = route.path.format(**quoted | {word: value for word, value in path.items() if word == "signed_url"})
        if "://" in filled:
            return filled
        return self.descriptor.service(route.at).url + filled

    def field_of(self, response: Response, word: str, *, optional: bool = False) -> Any:
        """A field of a response by the contract's word for it: of a success, a duplicate, or any other error.

        Args:
            optional: None where the response has no such field, or an empty one; a field of the route's successes is
                looked for in its errors too.

        Raises:
            AssertionError: the response has no such field.
            ValueError: the contract knows no such word for this response.
        """
        contract = self.contract
        if self._is_duplicate(response):
            paths: Mapping[str, str] = contract.duplicate
        elif response.status < 400 or (optional and word in names(response.paths)):
            paths = response.paths
        else:
            paths = contract.error_shape(response.route)
        try:
            path = paths[word]
        except KeyError:
            raise SuiteError(
                f"{response.route}, status {response.status}: no field '{word}'; it has {', '.join(paths)}"
            ) from None
        if optional and pick(response.json(), path) in (MISSING, None, ""):
            return None
        return replace(response, paths=paths)[word]

    async def close(self) -> None:
        await self._http.aclose()

    async def _exchange(
        self, route: str, method: str, url: str, sent: Mapping[str, str], payload: bytes | AsyncIterable[bytes] | None,
        *rest: Any, **named: Any,
    ) -> Response:  # fmt: skip
        """One call within pace and budget; where it is refused for its rate, again after the time that it is told."""

        async def attempt() -> Response:
            await self.throttle.turn(*self._spent(route))
            return await self._attempt(route, method, url, sent, payload, *rest, **named)

        def seconds_of(response: Response) -> float | None:
            asked = retry_after(response.status, response.headers.get("retry-after"))
            if asked is not None:
                self._limited.append(f"rate limit: {response.look}: {response.status}, Retry-After {asked:g} s")
            return asked if patient.get() and isinstance(payload, bytes | None) else None

        return await self.throttle.patiently(route, attempt, seconds_of)

    def _spent(self, route: str) -> list[str]:
        """What a call of a route takes from the budget, beside a request."""
        entry = self.contract.routes.get(route)
        return ["model_calls"] if entry is not None and entry.waits_for_a_model else []

    async def _attempt(
        self,
        route: str,
        method: str,
        url: str,
        sent: Mapping[str, str],
        payload: bytes | AsyncIterable[bytes] | None,
        paths: Mapping[str, str],
        most: int | None = None,
        token: str | None = None,
    ) -> Response:
        target, sent = self._complete(route, url, sent, token)
        begin, head = time.monotonic(), 0.0

        async def trace(event: str, _: object) -> None:
            nonlocal head
            if event.endswith("receive_response_headers.complete"):
                head = time.monotonic() - begin

        if self.unanswered >= MOST_UNANSWERED:
            raise Unresponsive(
                route, "an answer", f"no call any more: {self.unanswered} in a row were not answered", f"{method} {url}"
            )
        tell = on_request.get() or _ignore
        allowed = self._deadline + (len(payload) / SENT_PER_SECOND if isinstance(payload, bytes) else 0)
        try:
            async with (
                asyncio.timeout(allowed),
                self._http.stream(
                    method, target, content=payload, headers=sent, extensions={"trace": trace}
                ) as received,
            ):
                content = b"".join([part async for part in self.parts_of(received, most)])
        except (httpx.HTTPError, httpx.InvalidURL, UnreadableError, TimeoutError) as error:
            elapsed = time.monotonic() - begin
            tell(RequestTiming(route, 0, begin, head or elapsed, elapsed))
            raise self._unanswered(route, method, url, error, begin, sent) from None
        response = Response(
            route, method, url, received.status_code, received.headers, content,
            self._request_id(received.headers, sent), time.monotonic() - begin, paths, head, self._redactor.clean,
            self._users.get(token or "", ""),
        )  # fmt: skip
        tell(RequestTiming(route, response.status, begin, head, response.elapsed))
        self.unanswered = 0
        self._keep(response, payload if isinstance(payload, bytes) else b"")
        self._validate(response)
        return response

    def parts_of(self, received: httpx.Response, most: int | None = None) -> AsyncIterator[bytes]:
        """The body of a streamed answer as it arrives, decompressed; never more than the contract's limit."""
        encoding = received.headers.get("content-encoding", "")
        return bounded(received.aiter_raw(), encoding, most or self.contract.limits.response_bytes)

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, *, most: int | None = None,
        token: str | None = None,
    ) -> Response:  # fmt: skip
        """Send any request with these headers and the service's own, and take whatever comes back, into the error log.

        Args:
            most: bytes of the answer's body, where the contract's limit is not meant.
            token: access token; None sends none.
        """
        sent = {name.lower(): value for name, value in headers.items()}
        return await self._exchange(method, method, url, sent, content, {}, most, token)

    def _complete(self, route: str, url: str, sent: Mapping[str, str], token: str | None) -> tuple[str, dict[str, str]]:
        """The address and headers of a call with those of its service and with the token, which never are logged."""
        headers = self.descriptor.headers_of(url)
        if token is not None:
            entry = self.contract.routes.get(route)
            url = ((entry and entry.token) or self.contract.token).on(token, url, headers)
        return url, {**headers, **sent}

    def _validate(self, response: Response) -> None:
        """A success has all fields of the contract, each of its kind; raises AssertionError naming the first wrong."""
        if not response.paths or response.status != self.contract.route(response.route).success:
            return
        known = response.route == "signup" and self._is_refused_as("known_address", response)
        if known and not self.holds_session(response):
            return  # an address that is known may be answered as a new one is, but for its session
        if response.no_json:
            seen = f"{response.no_json}: {response.excerpt()}"
            raise violation(response.route, expected="JSON", observed=seen, look=response.look)
        if response.route not in self._schemas:
            self._schemas[response.route] = compiled(self.contract.schema_of(response.paths, response.route))
        if mistake := mistake_in(response.json(), self._schemas[response.route]):
            where, expected, found = mistake
            raise violation(
                " of ".join(filter(None, (where, response.route))), expected=expected,
                observed=f"{cut(self._redactor.clean(found))} in {response.excerpt()}", look=response.look,
            )  # fmt: skip

    def holds_session(self, response: Response) -> bool:
        """Whether there is an access token in a response."""
        return "access_token" in response.paths and pick(response.json(), response.paths["access_token"]) is not MISSING

    @cached_property
    def _request_id_header(self) -> str:
        """Where a request is named; empty where the contract has no such header."""
        return self.contract.errors.request_id_header if self.contract.offers("errors.request_id_header") else ""

    def _headers(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        sent = {"traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"}
        if self._request_id_header:
            sent[self._request_id_header] = uuid.uuid4().hex
        return sent | {name.lower(): value for name, value in (headers or {}).items()}

    def _request_id(self, answered: Mapping[str, str], sent: Mapping[str, str]) -> str:
        header = self._request_id_header or "traceparent"
        return answered.get(header) or sent.get(header, "")

    def _log(self, response: Response, body: Mapping[str, Any] | None) -> None:
        """Count a call; the first and the latest ones since the log was last taken are kept for it."""
        if unlogged.get():
            return
        self._calls += 1
        (self._first if len(self._first) < FIRST_CALLS else self._latest).append((time.time(), response, body))

    def take_log(self) -> list[str]:
        """The calls since this was last asked for: the first and the last ones, and the number of those between."""
        first, latest = map(self._line, self._first), map(self._line, self._latest)
        left_out = self._calls - len(self._first) - len(self._latest)
        lines = [*self._limited, *first, *([f"… {left_out} more calls …"] if left_out else []), *latest]
        self._first, self._calls, self._limited = [], 0, []
        self._latest.clear()
        return lines

    def _line(self, call: LoggedCall) -> str:
        """When a call was made, request, status, seconds and bodies."""
        ended, response, body = call
        at = f"{datetime.fromtimestamp(ended - response.elapsed):%H:%M:%S.%f}"[:-3]
        line = f"{at} {response.look}: {response.status} in {response.elapsed * 1000:.0f} ms"
        if body is not None:
            masked = {word: "***" if word in SECRET_WORDS else value for word, value in body.items()}
            line += f"\nsent: {json.dumps(masked, default=repr)[:LOGGED_CHARACTERS]}"
        beginning = response.content[: 10 * LOGGED_CHARACTERS]
        if beginning and b"\0" not in beginning:  # redacted first and cut afterwards: no half of a secret stays
            line += f"\nreceived: {self._redactor.clean(beginning.decode('utf-8', 'replace'))[:LOGGED_CHARACTERS]}"
        return line

    def journal_stream(self, route: str, received: httpx.Response, text: str) -> None:
        """Journal what is an error of a whole stream: its body where it was refused, else each event `error`."""
        if received.status_code >= 400:
            return self._journal_part(route, received, text)
        whole = httpx.Response(received.status_code, headers={"content-type": "text/event-stream"}, text=text)
        for event in httpx_sse.EventSource(whole).iter_sse():
            if event.event == ERROR_EVENT:
                self.journal_event(route, received, event.data)
        return None

    def journal_event(self, route: str, received: httpx.Response, data: str) -> None:
        """Journal the data of an event `error` of a stream."""
        self._journal_part(route, received, data, "SSE event")

    def _journal_part(self, route: str, received: httpx.Response, text: str, event: str = "") -> None:
        sent = {name.lower(): value for name, value in received.request.headers.items()}
        self._journal.record(
            method=received.request.method, url=str(received.request.url), status=received.status_code, body=text,
            request_id=self._request_id(received.headers, sent), route=route, event=event,
        )  # fmt: skip

    def _keep(self, response: Response, sent: bytes) -> None:
        refusal = 400 <= response.status < 500 and response.route in self.contract.routes
        self._journal.record(
            method=response.method, url=response.url, status=response.status,
            body=response.content.decode("utf-8", "replace"), request_id=response.request_id,
            route=response.route, mistake=self.mistake_of_error(response) if refusal else "", sent=sent,
        )  # fmt: skip
        if {"access_token", "email"} <= response.paths.keys() and isinstance(document := response.json(), dict):
            token, email = (pick(document, response.paths[word]) for word in ("access_token", "email"))
            self._users[str(token)] = str(email)
        for word in SECRET_FIELDS:
            value = (
                pick(response.json(), response.paths[word]) if word in response.paths and response.content else MISSING
            )
            for secret in _secrets_in(value) if isinstance(value, str) else ():
                self._redactor.register(secret)

    def _unanswered(
        self, route: str, method: str, url: str, error: Exception, begin: float, sent: Mapping[str, str]
    ) -> Exception:
        elapsed = time.monotonic() - begin
        if isinstance(error, UnreadableError):
            seen = str(error)
        elif isinstance(error, TimeoutError):
            seen = f"no whole answer after {elapsed:.1f} s"
        else:
            seen = f"{type(error).__name__}: {str(error) or 'no answer'} after {elapsed:.1f} s"
        timed_out = isinstance(error, TimeoutError | httpx.TimeoutException)
        look = f"{method} {urlsplit(url).path}, request {self._request_id({}, sent)}"
        if self.path.is_disturbed(url):
            return UnansweredOnDisturbedPath(route, visible(seen), look, elapsed=elapsed, timed_out=timed_out)
        if timed_out and not self.in_fault_window():
            self.unanswered += 1
            if self.unanswered >= MOST_UNANSWERED:
                seen = f"{seen}, as {self.unanswered} calls in a row: the run stops here"
                return Unresponsive(route, "an answer", visible(seen), look)
        return UnansweredCall(route, visible(seen), look, elapsed=elapsed, timed_out=timed_out)


def encoded(entry: Route, words: Mapping[str, Any], file: File | None = None) -> tuple[bytes, str]:
    """The body of a call of a route, and its media type; the name and type of a file are those of its part."""
    if not (entry.form or entry.file):
        return json.dumps(entry.fields(words)).encode(), "application/json"
    files = None
    if entry.file:
        name, data, mime = file or ("nonsense.pdf", b"%PDF-1.4\n" + uuid.uuid4().bytes, "application/pdf")
        files = {entry.file: (words.get("filename", name), data, words.get("mime", mime))}
        words = {word: value for word, value in words.items() if word not in ("filename", "mime")}
    request = httpx.Request("POST", "http://form", data=entry.fields(words), files=files)
    return request.read(), request.headers.get("content-type", "application/x-www-form-urlencoded")


def shape_of(document: Any) -> str:
    """The fields of a JSON document without their values, such as `{error: {code, message}}`."""
    if document is MISSING:
        return "no JSON"
    if isinstance(document, dict):
        words = (
            w + (f": {shape_of(value)}" if isinstance(value, dict | list) else "") for w, value in document.items()
        )
        return f"{{{', '.join(words)}}}"
    return f"[{shape_of(document[0]) if document else ''}]" if isinstance(document, list) else type(document).__name__


def _ignore(_: RequestTiming) -> None:
    """The default: timings are not collected."""


def _secrets_in(value: str) -> list[str]:
    """A token itself; of a signed address what is signed, since its beginning is that of every address."""
    return [word for _, word in parse_qsl(urlsplit(value).query)] if "://" in value else [value]
