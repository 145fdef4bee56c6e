"""The web page: every file it refers to is served, with headers for caches, and nothing of it comes from elsewhere."""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Iterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sandbox import static
from sandbox.defects import page as defects_of_the_page
from sandbox.supabase import main as supabase
from sandbox.supabase import storage
from tests.sandbox.test_frontend import settings_for

REFERENCES = re.compile(
    r"""(?:href|src)="([^"]+)"|url\("([^"]+)"\)|from '([^']+)'|import '([^']+)'|"src": "([^"]+)\""""
)
EXTERNAL = re.compile(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", re.IGNORECASE)
NAMESPACE = "http://www.w3.org/2000/svg"


@pytest.fixture(scope="module")
def page() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=static.routes(settings_for(1)))) as client:
        yield client


def referenced(client: TestClient) -> dict[str, httpx2.Response]:
    """Every file that the page refers to, and those refer to, by address."""
    found: dict[str, httpx2.Response] = {}
    pending = ["/"]
    while pending:
        address = pending.pop()
        found[address] = client.get(address)
        for groups in REFERENCES.findall(found[address].text):
            name = next(filter(None, groups))
            if not name.startswith(("#", "http", "/api/")):
                target = posixpath.normpath(posixpath.join(posixpath.dirname(address), name))
                if target not in found and target not in pending:
                    pending.append(target)
    return found


def test_every_file_is_referred_to_and_served_with_its_type(page: TestClient) -> None:
    found = referenced(page)
    assert {address for address, answer in found.items() if answer.status_code != 200} == set()
    assert {re.sub(r"^/(assets/\w+/)?", "", address) or static.INDEX for address in found} == set(static.names())
    assert len(found) > 20
    for address, answer in found.items():
        ending = "." + (address.rpartition(".")[2] if "." in address else "html")
        assert answer.headers["content-type"] == static.TYPES[ending]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_nothing_comes_from_elsewhere_and_no_style_or_script_is_inline(page: TestClient) -> None:
    for answer in referenced(page).values():
        assert EXTERNAL.findall(answer.text.replace(NAMESPACE, "")) == []
    index = page.get("/").text
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", index) == []


def test_caches_keep_assets_for_ever_and_the_page_for_a_moment(page: TestClient) -> None:
    start = page.get("/")
    assets = [answer for address, answer in referenced(page).items() if address != "/"]
    kept = "public, max-age=0, s-maxage=2, stale-while-revalidate=300, must-revalidate"
    assert start.headers["cache-control"] == kept
    assert {asset.headers["cache-control"] for asset in assets} == {"public, max-age=31536000, immutable"}
    for answer in [start, *assets]:
        again = page.get(answer.url.path, headers={"if-none-match": f"W/{answer.headers['etag']}"})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
        assert "set-cookie" not in answer.headers
        assert "vary" not in answer.headers


def test_an_asset_of_another_version_is_not_there(page: TestClient) -> None:
    [style] = [address for address in referenced(page) if address.endswith("/base.css")]
    assert page.get(style.replace("/assets/", "/assets/0")).status_code == 404
    assert page.get(f"{style}x").status_code == 404
    assert page.get(style.replace("base.css", "%2e%2e/static.py")).status_code == 404


def test_another_content_has_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    before = static.Page(settings_for(1)).version
    read = static.read
    monkeypatch.setattr(static, "read", lambda name: read(name) + (b"\n" if name == "base.css" else b""))
    assert static.Page(settings_for(1)).version != before


def test_the_policy_allows_what_the_page_calls_and_no_more(page: TestClient) -> None:
    policy = page.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "connect-src 'self' http://127.0.0.1:1 ws://127.0.0.1:1;" in policy
    assert "unsafe" not in policy
    assert 'name="realtime" content="ws://127.0.0.1:1"' in page.get("/").text


def test_a_changed_file_is_served_at_another_address_and_marks_its_defect_active(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []
    for name in ("read", "respond", "names", "TYPES"):
        monkeypatch.setattr(static, name, getattr(static, name))
    monkeypatch.setattr(defects_of_the_page, "mark_active", lambda: seen.append("active"))
    before = static.Page(settings_for(1)).version
    defects_of_the_page.change("base.css", "icons/upload.svg", "icons/upload-arrow.svg")
    with TestClient(Starlette(routes=static.routes(settings_for(1)))) as client:
        assert before not in client.get("/").text
        assert seen == []
        found = referenced(client)
    assert seen == ["active"]
    [missing] = [address for address, answer in found.items() if answer.status_code != 200]
    assert missing.endswith("/icons/upload-arrow.svg")
    with pytest.raises(AttributeError, match=r"base\.css does not say 'nowhere'"):
        defects_of_the_page.change("base.css", "nowhere", "")


def test_the_page_may_send_bytes_to_the_storage_and_other_callers_see_no_change() -> None:
    settings = dataclasses.replace(settings_for(1), ports={"supabase": 1, "database": 1})
    client = TestClient(supabase.create_app(settings))
    address = f"/storage/v1{storage.SIGNED_UPLOAD}documents/1?token=none"
    asked = {"access-control-request-method": "PUT", "access-control-request-headers": "content-type"}
    allowed = client.options(address, headers={"origin": "http://127.0.0.1:2", **asked})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "*")
    assert "PUT" in allowed.headers["access-control-allow-methods"]
    assert allowed.headers["access-control-allow-headers"] == "content-type"
    refused = client.put(address, content=b"x", headers={"origin": "http://127.0.0.1:2"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (403, "*")
    usual = client.put(address, content=b"x")
    assert usual.status_code == 403
    assert [name for name in usual.headers if name.startswith("access-control-")] == []
