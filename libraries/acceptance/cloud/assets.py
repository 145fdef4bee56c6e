"""Assets that pages reference, at the same origin: by HTML (links, scripts, images), style sheets and the manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

from acceptance.clients.http import Response
from acceptance.deployment.contract import MISSING
from acceptance.errors import violation
from acceptance.run import Run

LINKS = {"stylesheet", "icon", "shortcut icon", "apple-touch-icon", "manifest", "preload", "modulepreload", "prefetch"}
SOURCES = {"script", "img", "source", "video", "audio", "track", "embed", "input"}
_URL = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s]+)""")


async def referenced(run: Run) -> list[str]:
    """Addresses of all assets of the descriptor's pages, in their order, each once.

    Raises:
        AssertionError: a page or asset is not answered with 200.
    """
    base = run.descriptor.service("frontend").url
    found: dict[str, None] = {}
    for page in run.descriptor.edge_network.pages:
        response = await fetched(run, base + page)
        for address in references(response):
            found.setdefault(address)
    for address in [one for one in found if urlsplit(one).path.endswith((".css", ".webmanifest", "manifest.json"))]:
        for inner in references(await fetched(run, address)):
            found.setdefault(inner)
    return list(found)


async def fetched(run: Run, url: str) -> Response:
    """The answer to `GET`; raises AssertionError for another status than 200."""
    response = await run.client.exchange("GET", url, {}, None)
    if response.status != 200:
        raise violation(f"GET {urlsplit(url).path}", expected="200", observed=response.excerpt(), look=response.look)
    return response


def references(response: Response) -> list[str]:
    """What a page, style sheet or manifest references at its own origin, without fragments."""
    kind, text = response.headers.get("content-type", ""), response.content.decode("utf-8", "replace")
    if "html" in kind:
        page = _Page()
        page.feed(text)
        named: Iterator[str] = iter(page.found)
    elif "css" in kind:
        named = (match[1] for match in _URL.finditer(text))
    else:
        named = _of_manifest(response.json())
    own = urlsplit(response.url)
    resolved = (urldefrag(urljoin(response.url, one.strip())).url for one in named if one.strip())
    same = (one for one in resolved if (urlsplit(one).scheme, urlsplit(one).netloc) == (own.scheme, own.netloc))
    return [one for one in dict.fromkeys(same) if one != urldefrag(response.url).url]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "link" and given.get("rel", "").lower() in LINKS:
            self.found.append(given.get("href", ""))
        if tag in SOURCES:
            self.found += [given.get("src", ""), given.get("poster", "")]
        if tag in SOURCES or tag == "link":
            sets = f"{given.get('srcset', '')},{given.get('imagesrcset', '')}"
            self.found += [one.split()[0] for one in sets.split(",") if one.strip()]
        self.found += [match[1] for match in _URL.finditer(given.get("style", ""))]


def _of_manifest(document: object) -> Iterator[str]:
    if document is MISSING or not isinstance(document, dict):
        return
    for name in ("icons", "screenshots"):
        entries = document.get(name)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("src"), str):
                yield entry["src"]
