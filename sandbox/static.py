"""The web page: plain files below `page/`, at addresses with a hash of all of them, which caches may keep for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.settings import Settings

FOLDER: Final = Path(__file__).parent / "page"
INDEX: Final = "index.html"
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
PAGE_CACHED: Final = "public, max-age=0, s-maxage=2, stale-while-revalidate=300, must-revalidate"
ASSETS_CACHED: Final = {
    "cache-control": "public, max-age=31536000, immutable",
    "vercel-cdn-cache-control": "max-age=31536000",
}
HEADERS: Final = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


def routes(settings: Settings) -> list[Route]:
    """The page at `/`, and its assets."""
    page = Page(settings)
    return [Route("/", page.start), Route("/assets/{version}/{name:path}", page.asset)]


def names() -> list[str]:
    """All files of the page, with their folders."""
    return sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.suffix in TYPES)


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


class Page:
    """The page and its assets, read once."""

    def __init__(self, settings: Settings) -> None:
        self._assets = {name: read(name) for name in names()}
        index = self._assets.pop(INDEX).decode()
        digest = hashlib.sha256(b"".join(name.encode() + content for name, content in self._assets.items()))
        self.version = digest.hexdigest()[:12]
        addresses = {
            "api": settings.api_url,
            "realtime": settings.realtime_url,
            "assets": f"/assets/{self.version}",
        }
        self._index = Template(index).substitute(addresses, version=settings.version, build=settings.build).encode()
        self._headers = {
            "x-build": settings.build,
            "x-version": settings.version,
            "cache-control": PAGE_CACHED,
            "content-security-policy": policy(settings),
        }

    async def start(self, request: Request) -> Response:
        return respond(request, INDEX, self._index, self._headers)

    async def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if request.path_params["version"] != self.version or name not in self._assets:
            raise HTTPException(404)
        return respond(request, name, self._assets[name], ASSETS_CACHED)


def respond(request: Request, name: str, content: bytes, headers: Mapping[str, str]) -> Response:
    """A file, or 304 where the caller has it."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {**HEADERS, **headers, "etag": tag}
    if tag in request.headers.get("if-none-match", "").replace("W/", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=TYPES[Path(name).suffix])


def policy(settings: Settings) -> str:
    """What the page may load and call: its own files, the storage's signed addresses, and the API's WebSockets."""
    storage = urlsplit(settings.storage_url)
    own = ("script-src", "style-src", "img-src", "manifest-src", "form-action")
    return "; ".join(
        [
            "default-src 'none'",
            *(f"{kind} 'self'" for kind in own),
            f"connect-src 'self' {storage.scheme}://{storage.netloc} {settings.realtime_url}",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )
