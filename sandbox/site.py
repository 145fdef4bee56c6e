"""The origin behind the CDN, beside the web page: what it counts, its deployment, and what tempts a cache."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.serving import has_bearer
from sandbox.settings import Settings

UNTIL_DEPLOYED: Final = {"cache-control": "s-maxage=31536000"}
FOR_ALL: Final = {"cache-control": "s-maxage=600"}
FOR_ONE: Final = {"cache-control": "private, s-maxage=600"}
HINTS: Final = {
    "en": {"upload": "Choose a document.", "chat": "Ask what your documents say."},
    "de": {"upload": "Wählen Sie ein Dokument.", "chat": "Fragen Sie, was Ihre Dokumente sagen."},
}
VISIT: Final = "visit"  # the cookie
FORWARDED: Final = ("/api/", "/auth/", "/documents", "/conversations")
"""Beginnings of the paths that are the API's."""


class Site:
    """The pages of one deployment after the other; `requests` counts what reached the origin, by path."""

    def __init__(self, settings: Settings) -> None:
        self.deployment = new_deployment()
        self.requests: Counter[str] = Counter()
        self._settings = settings

    @property
    def routes(self) -> list[Route]:
        """The addresses beside those of the page."""
        own = {"/deployment.json": self._deployment, "/hints.json": self._hint, "/visit": self._visit}
        return [Route(path, answer) for path, answer in own.items()]

    def serving(self, app: ASGIApp) -> ASGIApp:
        """The application with its own pages counted and compressed; what is the API's is left as it is."""
        compressed = GZipMiddleware(app, minimum_size=1)

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"].startswith(FORWARDED):
                await app(scope, receive, send)
                return
            self.requests[scope["path"]] += 1
            await compressed(scope, receive, send)

        return counted

    async def _deployment(self, request: Request) -> Response:
        body = {"deployment": self.deployment, "build": self._settings.build}
        return self._answer(request, body, UNTIL_DEPLOYED)

    async def _hint(self, request: Request) -> Response:
        """A text in the language of the client, about what the query names."""
        language = "de" if request.headers.get("accept-language", "").startswith("de") else "en"
        hint = HINTS[language].get(request.query_params.get("about", ""), "")
        return self._answer(request, {"language": language, "hint": hint}, FOR_ALL | {"vary": "Accept-Language"})

    async def _visit(self, request: Request) -> Response:
        """The visit of one client, by its cookie; the first answer gives it one."""
        known = request.cookies.get(VISIT)
        visit = known or uuid.uuid4().hex
        response = self._answer(request, {"visit": visit}, FOR_ONE if known else FOR_ALL)
        if not known:
            response.set_cookie(VISIT, visit, httponly=True)
        return response

    def _answer(self, request: Request, content: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        """A response with its tag; 304 where the client knows it."""
        tag = f'W/"{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]}"'
        known = request.headers.get("if-none-match") == tag
        headers = {**headers, "etag": tag}
        return Response(status_code=304, headers=headers) if known else JSONResponse(content, headers=headers)


def new_deployment() -> str:
    return f"dpl_{uuid.uuid4().hex}"


def control(site: Site, purge: Callable[[], None], key: str) -> Starlette:
    """What the provider and the run ask the origin for, with the platform's key: its counter, and its deployment."""

    async def requests(request: Request) -> Response:
        return JSONResponse({"requests": site.requests}) if has_bearer(request, key) else Response(status_code=401)

    async def deployment(request: Request) -> Response:
        if not has_bearer(request, key):
            return Response(status_code=401)
        if request.method == "PUT":
            site.deployment = (await request.json())["id"]
            purge()
        return JSONResponse({"id": site.deployment})

    return Starlette(
        routes=[Route("/requests", requests), Route("/deployment", deployment, methods=["GET", "PUT"])],
    )
