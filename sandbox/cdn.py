"""The CDN's cache before the front end, by Vercel's rules: https://vercel.com/docs/caching/cdn-cache.

What it does not keep streams through unchanged, so that events and large answers of the API pass as before.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.site import FORWARDED

STATUS: Final = "x-vercel-cache"
TARGETED: Final = ("vercel-cdn-cache-control", "cdn-cache-control")  # before Cache-Control, the first that is there
CONSUMED: Final = re.compile(r"s-maxage|stale-while-revalidate", re.IGNORECASE)
NOT_FOR_BROWSERS: Final = "public, max-age=0, must-revalidate"  # what is left where only the CDN was addressed
FORBIDDEN: Final = {"private", "no-store", "no-cache"}
STATUSES: Final = {200, 301, 302, 307, 308, 404, 410}
MOST_BYTES: Final = 10 * 1024 * 1024
CONDITIONS: Final = (b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since", b"if-range")
MOST_KEPT: Final = 1000  # addresses
RawHeaders = list[tuple[bytes, bytes]]
Variant = tuple[tuple[str, str | None], ...]
Key = tuple[bytes, bytes, bytes]


@dataclass
class Stored:
    """A response as the origin gave it, fresh and then stale for so many seconds after `at`."""

    status: int
    headers: RawHeaders
    body: bytes
    fresh: float
    stale: float
    variant: Variant
    at: float = field(default_factory=lambda: now())
    renewing: asyncio.Task[Any] | None = None

    @property
    def age(self) -> float:
        return now() - self.at


def now() -> float:
    """Seconds of the cache's clock."""
    return time.monotonic()


def may_use_cache(method: str, headers: Headers) -> bool:
    """Whether a request may be answered from the cache."""
    return method in ("GET", "HEAD") and "authorization" not in headers and "range" not in headers


def key_of(scope: Scope) -> Key:
    """Host, path and query; one deployment's cache is never another's, since it is purged."""
    return (Headers(scope=scope).get("host", "").encode(), scope["raw_path"], scope["query_string"])


def lifetime(status: int, headers: Headers) -> tuple[float, float]:
    """Seconds for which a response is fresh, and stale afterwards; of `Cache-Control` only `s-maxage` is the CDN's."""
    source = next((name for name in TARGETED if name in headers), "cache-control")
    directives = {
        name.strip().lower(): value.strip(' "')
        for name, _, value in (one.partition("=") for one in headers.get(source, "").split(","))
    }
    if status not in STATUSES or FORBIDDEN & directives.keys() or sets_cookie(headers):
        return 0.0, 0.0
    fresh = directives.get("s-maxage") or (directives.get("max-age") if source in TARGETED else None) or "0"
    stale = directives.get("stale-while-revalidate", "0")
    return (float(fresh), float(stale if stale.isdigit() else "0")) if fresh.isdigit() else (0.0, 0.0)


def sets_cookie(headers: Headers) -> bool:
    """Whether a response belongs to the client that it gives a cookie to."""
    return "set-cookie" in headers


def varies_by(headers: Headers) -> list[str]:
    """The request headers that select a variant of a response."""
    return [name.strip().lower() for name in headers.get("vary", "").split(",") if name.strip()]


def passed_on(headers: RawHeaders) -> RawHeaders:
    """Headers for the client: what addressed the CDN alone is consumed."""
    sent = MutableHeaders(raw=[(name, value) for name, value in headers if name != TARGETED[0].encode()])
    directives = sent.get("cache-control", "").split(",")
    left = [one.strip() for one in directives if not CONSUMED.match(one.strip())]
    if len(left) < len(directives):
        sent["cache-control"] = ", ".join(left) if [one for one in left if one != "public"] else NOT_FOR_BROWSERS
    return sent.raw


def variant_of(headers: Headers, names: Iterable[str]) -> Variant:
    """What a request says in the headers that a response varies by; of encodings, whether it takes the one there is."""
    given = ((name, headers.get(name)) for name in names)
    return tuple(
        (name, "gzip" if "gzip" in (value or "") else None) if name == "accept-encoding" else (name, value)
        for name, value in given
    )


def collapses(scope: Scope) -> bool:
    """Whether equal requests wait for the first of them; those of the application never wait for each other."""
    return not scope["path"].startswith(FORWARDED)


class Cache:
    """Keeps responses of an application; `purge` forgets them all, as a new deployment does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._entries: dict[Key, list[Stored]] = {}
        self._asked: dict[Key, asyncio.Event] = {}  # what the origin is being asked

    def purge(self) -> None:
        self._entries = {}  # an answer that is under way goes to the old ones

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not may_use_cache(scope["method"], headers):
            await self._app(scope, receive, _marked(send, "BYPASS"))
            return
        key = key_of(scope)
        found = self._find(key, headers)
        if found is None and key in self._asked:
            await self._asked[key].wait()
            found = self._find(key, headers)
        if found is None and scope["method"] == "HEAD":
            await self._app(scope, receive, _marked(send, "MISS"))
        elif found is None:
            await self._ask(key, scope, receive, send)
        elif found.age <= found.fresh:
            await self._answer(found, "HIT", scope, send)
        elif found.age <= found.fresh + found.stale:
            self._renew_behind(key, found, scope)
            await self._answer(found, "STALE", scope, send)
        else:
            renewed = await self._renew(key, found, scope)
            await self._answer(renewed, "REVALIDATED" if renewed is found else "MISS", scope, send)

    def _find(self, key: Key, headers: Headers) -> Stored | None:
        kept = self._entries.get(key, ())
        return next((one for one in kept if one.variant == variant_of(headers, dict(one.variant))), None)

    async def _ask(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream the origin's answer to the client, and keep it where it may be kept."""
        asked, entries = asyncio.Event(), self._entries
        if collapses(scope):
            self._asked.setdefault(key, asked)
        taken = _Taken(scope, _marked(send, "MISS"), asked)
        try:
            await self._app(scope, receive, taken)
            _keep(entries, key, taken)
        finally:
            if self._asked.get(key) is asked:
                del self._asked[key]
            asked.set()

    async def _renew(self, key: Key, old: Stored, scope: Scope) -> Stored:
        """Ask the origin again, with the validator of what is kept; returns what is kept now."""
        entries, validator = self._entries, Headers(raw=old.headers).get("etag")
        headers = [(name, value) for name, value in scope["headers"] if name not in CONDITIONS]
        headers += [(b"if-none-match", validator.encode())] if validator else []
        taken = _Taken(scope)
        await self._app({**scope, "method": "GET", "headers": headers}, _receive_nothing(), taken)
        if taken.status == 304:
            old.at = now()
            return old
        if old in entries.get(key, ()):
            entries[key].remove(old)
        return _keep(entries, key, taken)

    def _renew_behind(self, key: Key, old: Stored, scope: Scope) -> None:
        if old.renewing is None or old.renewing.done():
            old.renewing = asyncio.create_task(self._renew(key, old, scope))

    async def _answer(self, one: Stored, status: str, scope: Scope, send: Send) -> None:
        headers, body = MutableHeaders(raw=passed_on(one.headers)), one.body
        headers[STATUS], headers["age"] = status, str(int(one.age))
        known = _is_known(headers.get("etag"), Headers(scope=scope).get("if-none-match"))
        if known:
            del headers["content-length"]
        await send({"type": "http.response.start", "status": 304 if known else one.status, "headers": headers.raw})
        await send({"type": "http.response.body", "body": b"" if known or scope["method"] == "HEAD" else body})


class _Taken:
    """A response of the origin, kept as far as it may be while it goes on to the client, where there is one."""

    def __init__(self, scope: Scope, send: Send | None = None, asked: asyncio.Event | None = None) -> None:
        self.request, self._send, self._asked = Headers(scope=scope), send, asked
        self.status, self.raw, self.body, self.whole = 0, RawHeaders(), bytearray(), False
        self._keeps = True

    @property
    def headers(self) -> Headers:
        return Headers(raw=self.raw)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.raw = message["status"], list(message["headers"])
            self._keeps = self._send is None or lifetime(self.status, self.headers)[0] > 0
            if self._asked is not None and not self._keeps:
                self._asked.set()  # nothing to wait for: each asks for itself
        elif self._keeps:
            self.body += message.get("body", b"")
            self._keeps = len(self.body) <= MOST_BYTES
            self.whole = self._keeps and not message.get("more_body", False)
        if self._send is not None:
            await self._send(message)


def _keep(entries: dict[Key, list[Stored]], key: Key, taken: _Taken) -> Stored:
    """What was taken, to be answered once; it stays only where it may."""
    (fresh, stale), names = lifetime(taken.status, taken.headers), varies_by(taken.headers)
    variant = variant_of(taken.request, names)
    one = Stored(taken.status, taken.raw, bytes(taken.body), fresh, stale, variant)
    if fresh and taken.whole and not {"*", "cookie"} & {*names}:
        entries.setdefault(key, []).append(one)
        if len(entries) > MOST_KEPT:
            del entries[next(iter(entries))]
    return one


def _marked(send: Send, status: str) -> Send:
    """Sends with the status of the cache."""

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*passed_on(message["headers"]), (STATUS.encode(), status.encode())]}
        await send(message)

    return marked


def _is_known(etag: str | None, condition: str | None) -> bool:
    known = [one.strip().removeprefix("W/") for one in (condition or "").split(",")]
    return etag is not None and etag.removeprefix("W/") in known


def _receive_nothing() -> Receive:
    """What a request without a client receives: an empty body, and no news afterwards."""
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else await asyncio.Future()

    return receive
