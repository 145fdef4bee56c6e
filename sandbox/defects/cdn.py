"""Defects of the CDN's cache: it keeps too little, too much, or for too long."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from sandbox import cdn
from sandbox.cdn import Cache, Key, Stored, Variant
from sandbox.defects import defect, mark_active, patch

KEPT_SECONDS = 600.0


@defect("asset-never-cached", "CLOUD", must=["CLOUD-01"])
def asset_never_cached() -> None:
    """Style sheets are kept out of the cache, since one of them once had to change at once."""
    lifetime = cdn.lifetime

    def without_styles(status: int, headers: Headers) -> tuple[float, float]:
        if headers.get("content-type", "").startswith("text/css"):
            mark_active()
            return 0.0, 0.0
        return lifetime(status, headers)

    patch(cdn, "lifetime", without_styles)


@defect("hit-that-asks-the-origin", "CLOUD", must=["CLOUD-01"])
def hit_that_asks_the_origin() -> None:
    """Each response from the cache is marked as a hit, and the origin is asked all the same, to be up to date."""
    answer = Cache._answer

    async def asked(self: Cache, one: Stored, status: str, scope: Scope, send: Send) -> None:
        mark_active()
        one.headers = [(name, value) for name, value in one.headers if name != b"etag"]
        renewed = await self._renew(cdn.key_of(scope), one, scope)
        await answer(self, renewed, status, scope, send)

    patch(Cache, "_answer", asked)


@defect("stale-for-ever", "CLOUD", must=["CLOUD-01"])
def stale_for_ever() -> None:
    """A stale response is given, and never renewed behind it."""

    def forgotten(self: Cache, key: Key, old: Stored, scope: Scope) -> None:
        mark_active()

    patch(Cache, "_renew_behind", forgotten)


@defect("cache-takes-authorized-responses", "CLOUD", must=["CLOUD-02"])
def cache_takes_authorized_responses() -> None:
    """What the application answers is kept for a while too, also for requests with credentials, to take load off it."""
    may_use, lifetime = cdn.may_use_cache, cdn.lifetime

    def for_all(method: str, headers: Headers) -> bool:
        return may_use(method, headers) or (method == "GET" and "authorization" in headers)

    def kept(status: int, headers: Headers) -> tuple[float, float]:
        if headers.get("content-type", "").startswith("application/json") and status == 200:
            mark_active()
            return KEPT_SECONDS, 0.0
        return lifetime(status, headers)

    patch(cdn, "may_use_cache", for_all)
    patch(cdn, "lifetime", kept)


@defect("cache-ignores-vary", "CLOUD", must=["CLOUD-02"])
def cache_ignores_vary() -> None:
    """One copy is kept of each address, whatever its response varies by."""

    def one_for_all(headers: Headers, names: Iterable[str]) -> Variant:
        if [*names]:
            mark_active()
        return ()

    patch(cdn, "variant_of", one_for_all)


@defect("cache-key-without-query", "CLOUD", must=["CLOUD-02"])
def cache_key_without_query() -> None:
    """The query is no part of the key, so that campaigns' parameters do not fill the cache."""
    key_of = cdn.key_of

    def shorter(scope: Scope) -> Key:
        if scope["query_string"]:
            mark_active()
        host, path, _ = key_of(scope)
        return host, path, b""

    patch(cdn, "key_of", shorter)


@defect("cache-keeps-cookies", "CLOUD", must=["CLOUD-02"])
def cache_keeps_cookies() -> None:
    """A response that sets a cookie is kept, and gives it to everyone."""

    def overlooked(headers: Headers) -> bool:
        if "set-cookie" in headers:
            mark_active()
        return False

    patch(cdn, "sets_cookie", overlooked)


@defect("old-content-after-deployment", "CLOUD", must=["CLOUD-02"])
def old_content_after_deployment() -> None:
    """A new deployment leaves the cache as it was."""

    def kept(self: Cache) -> None:
        mark_active()

    patch(Cache, "purge", kept)


@defect("cache-ignores-encodings", "CLOUD", must=["CLOUD-02"])
def cache_ignores_encodings() -> None:
    """Everyone gets the compressed copy, also clients that do not take it."""
    call = Cache.__call__

    async def compressed(self: Cache, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            mark_active()
            headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            scope = {**scope, "headers": [*headers, (b"accept-encoding", b"gzip")]}
        await call(self, scope, receive, send)

    patch(Cache, "__call__", compressed)
