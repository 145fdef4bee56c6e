"""Assets are found wherever a page, a style sheet or a manifest references them, at the same origin alone."""

from __future__ import annotations

import pytest
from acceptance.clients.http import Response
from acceptance.cloud.assets import references

PAGE = """<!doctype html><link rel=stylesheet href="/a.css"><link rel="Icon" href="icon.svg">
<link rel=canonical href=/c>
<link rel="preload" as=image href=/p.png imagesrcset="/p1.png 1x, /p2.png 2x"><link rel=manifest href=/app.webmanifest>
<link rel="modulepreload" href="/m.js"><link rel=stylesheet href="https://cdn.example.net/x.css">
<script src="../app.js#part"></script><script>inline()</script><a href="/other">a</a><form action=/f></form>
<img src=/i.png srcset="/i-2.png 640w,/i-3.png 1280w" alt=""><img src="data:image/png;base64,AAAA">
<div style="background: url('/bg.webp')"></div><video poster=/v.jpg src="//other.example.net/v.mp4"></video>
<script src="http://app.example.org/insecure.js"></script><script src="/a.css"></script>"""


def of(content: str, kind: str, url: str = "https://app.example.org/start/page") -> list[str]:
    response = Response("GET", "GET", url, 200, {"content-type": kind}, content.encode(), "", 0.0)
    return [one.removeprefix("https://app.example.org") for one in references(response)]


def test_of_a_page() -> None:
    assert of(PAGE, "text/html; charset=utf-8") == [
        "/a.css", "/start/icon.svg", "/p.png", "/p1.png", "/p2.png", "/app.webmanifest", "/m.js", "/app.js", "/i.png",
        "/i-2.png", "/i-3.png", "/bg.webp", "/v.jpg",
    ]  # fmt: skip


def test_of_a_style_sheet() -> None:
    text = "@import 'b.css'; @font-face { src: url(/f.woff2) } a { background: url( \"bg.png\" ), url(#in-the-page) }"
    assert of(text, "text/css", "https://app.example.org/css/a.css") == ["/css/b.css", "/f.woff2", "/css/bg.png"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"icons": [{"src": "/i.svg"}, {"src": 1}, "no"], "screenshots": [{"src": "s"}]}', ["/i.svg", "/start/s"]),
        ('{"icons": {"src": "/i.svg"}}', []),
        ("[]", []),
        ("<html>", []),
    ],
)  # fmt: skip
def test_of_a_manifest(text: str, found: list[str]) -> None:
    assert of(text, "application/manifest+json") == found
