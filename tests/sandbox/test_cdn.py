"""The CDN keeps what Vercel's rules let it keep, for as long as they say, and nothing else."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox import cdn
from sandbox.cdn import Cache

HOUR = {"cache-control": "s-maxage=3600"}
Answer = Callable[[Request], Response]


class Origin:
    """Answers by a function, and counts."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.asked = answer, 0
        self.cache = Cache(self)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        await asyncio.sleep(0)  # a later request arrives meanwhile
        await self.answer(Request(scope))(scope, receive, send)


@asynccontextmanager
async def cached(answer: Answer) -> AsyncIterator[tuple[httpx.AsyncClient, Origin]]:
    origin = Origin(answer)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(origin.cache), base_url="http://cdn") as client:
        yield client, origin


def of(response: httpx.Response) -> tuple[str, int]:
    return response.headers[cdn.STATUS], response.status_code


def says(text: str = "hello", headers: dict[str, str] = HOUR, status: int = 200) -> Answer:
    return lambda _: Response(text, status, headers)


def numbered(headers: dict[str, str]) -> Answer:
    numbers = iter(range(100))
    return lambda _: Response(str(next(numbers)), headers=headers)


async def test_the_first_request_misses_and_the_next_ones_hit() -> None:
    async with cached(says()) as (client, origin):
        answers = [await client.get("/a") for _ in range(3)] + [await client.head("/a")]
    assert [of(one) for one in answers] == [("MISS", 200), ("HIT", 200), ("HIT", 200), ("HIT", 200)]
    assert [one.text for one in answers] == ["hello", "hello", "hello", ""]
    assert answers[1].headers["age"] == "0"
    assert origin.asked == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cache-control": "public, max-age=60"},
        {"cache-control": "private, s-maxage=60"},
        {"cache-control": "s-maxage=60, no-store"},
        {"cache-control": "s-maxage=60, no-cache"},
        {"cache-control": "s-maxage=0"},
        {"cache-control": "s-maxage=soon"},
        {"cache-control": "s-maxage=60", "set-cookie": "a=1"},
        {"cache-control": "s-maxage=60", "vary": "*"},
        {"cache-control": "s-maxage=60", "vary": "Accept, Cookie"},
        {"cache-control": "s-maxage=60", "cdn-cache-control": "max-age=0"},
        {"cache-control": "s-maxage=60", "cdn-cache-control": "max-age=60", "vercel-cdn-cache-control": "private"},
    ],
)
async def test_what_may_not_be_kept_is_asked_for_each_time(headers: dict[str, str]) -> None:
    async with cached(says(headers=headers)) as (client, origin):
        assert [of(await client.get("/a")) for _ in range(2)] == [("MISS", 200)] * 2
    assert origin.asked == 2


@pytest.mark.parametrize("status", [201, 206, 400, 500, 503])
async def test_only_some_statuses_are_kept(status: int) -> None:
    async with cached(says(status=status)) as (client, _):
        assert [of(await client.get("/a"))[0] for _ in range(2)] == ["MISS", "MISS"]


async def test_a_large_answer_is_passed_on_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdn, "MOST_BYTES", 100)
    async with cached(says("x" * 101)) as (client, _):
        answers = [await client.get("/a") for _ in range(2)]
    assert [(of(one)[0], len(one.text)) for one in answers] == [("MISS", 101)] * 2


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        (HOUR, "public, max-age=0, must-revalidate"),
        ({"cache-control": "public, s-maxage=5, stale-while-revalidate=9"}, "public, max-age=0, must-revalidate"),
        ({"cache-control": "public, max-age=7, s-maxage=5"}, "public, max-age=7"),
        ({"cache-control": "max-age=7", "cdn-cache-control": "max-age=60"}, "max-age=7"),
        ({"cache-control": "max-age=7", "vercel-cdn-cache-control": "s-maxage=60"}, "max-age=7"),
    ],
)
async def test_what_addresses_the_cdn_is_consumed(headers: dict[str, str], sent: str) -> None:
    async with cached(says(headers=headers)) as (client, _):
        answers = [await client.get("/a") for _ in range(2)]
    assert of(answers[1])[0] == "HIT"
    assert {one.headers["cache-control"] for one in answers} == {sent}
    assert not any("vercel-cdn-cache-control" in one.headers for one in answers)


@pytest.mark.parametrize("headers", [{"authorization": "Bearer a"}, {"range": "bytes=0-1"}])
async def test_such_a_request_neither_reads_nor_fills_the_cache(headers: dict[str, str]) -> None:
    async with cached(numbered(HOUR)) as (client, _):
        answers = [
            await client.get("/a", headers=headers), await client.get("/a"), await client.get("/a", headers=headers),
            await client.post("/a"), await client.get("/a"),
        ]  # fmt: skip
    assert [of(one)[0] for one in answers] == ["BYPASS", "MISS", "BYPASS", "BYPASS", "HIT"]
    assert [one.text for one in answers] == ["0", "1", "2", "3", "1"]


async def test_host_path_and_query_are_the_key() -> None:
    async with cached(lambda request: Response(str(request.url), headers=HOUR)) as (client, _):
        first = [await client.get(one) for one in ("/a", "/a?b=1", "/a?b=2", "http://other/a")]
        second = [await client.get(one) for one in ("/a", "/a?b=1", "/a?b=2", "http://other/a")]
    assert {of(one)[0] for one in first} == {"MISS"}
    assert {of(one)[0] for one in second} == {"HIT"}
    assert [one.text for one in first] == [one.text for one in second]


async def test_variants_are_kept_apart() -> None:
    def answer(request: Request) -> Response:
        headers = HOUR | {"vary": "Accept-Language, Accept-Encoding"}
        text = request.headers.get("accept-language", "none")
        if "gzip" in request.headers["accept-encoding"]:
            return Response(gzip.compress(text.encode()), headers=headers | {"content-encoding": "gzip"})
        return Response(text, headers=headers)

    asked = [("en", "gzip, br"), ("de", "gzip"), ("en", "identity")]
    async with cached(answer) as (client, _):
        sent = [{"accept-language": language, "accept-encoding": encoding} for language, encoding in asked * 2]
        answers = [await client.get("/a", headers=headers) for headers in sent]
    assert [of(one)[0] for one in answers] == ["MISS"] * 3 + ["HIT"] * 3
    assert [one.text for one in answers] == ["en", "de", "en"] * 2
    assert ["content-encoding" in one.headers for one in answers] == [True, True, False] * 2


async def test_a_stale_answer_is_given_once_more_and_renewed_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(cdn, "now", lambda: now[0])
    async with cached(numbered({"cache-control": "s-maxage=10, stale-while-revalidate=20"})) as (client, origin):
        seen = [await client.get("/a")]
        for at in (109, 115, 116, 150):
            now[0] = at
            seen.append(await client.get("/a"))
            await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
    assert [of(one)[0] for one in seen] == ["MISS", "HIT", "STALE", "HIT", "MISS"]
    assert [one.text for one in seen] == ["0", "0", "0", "1", "2"]
    assert [one.headers.get("age") for one in seen] == [None, "9", "15", "1", "0"]
    assert origin.asked == 3


async def test_what_is_too_old_is_validated_by_its_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(cdn, "now", lambda: now[0])

    def answer(request: Request) -> Response:
        headers = {"cache-control": "s-maxage=10", "etag": '"a"'}
        return Response("" if (known := request.headers.get("if-none-match") == '"a"') else "whole",
                        304 if known else 200, headers)  # fmt: skip

    async with cached(answer) as (client, _):
        seen = [await client.get("/a")]
        for at in (120, 121):
            now[0] = at
            seen.append(await client.get("/a"))
    assert [of(one)[0] for one in seen] == ["MISS", "REVALIDATED", "HIT"]
    assert {one.text for one in seen} == {"whole"}


async def test_a_client_that_knows_the_answer_gets_no_body() -> None:
    async with cached(says(headers=HOUR | {"etag": 'W/"a"'})) as (client, _):
        await client.get("/a")
        known, other = [await client.get("/a", headers={"if-none-match": one}) for one in ('"a"', '"b"')]
    assert (of(known), known.content) == (("HIT", 304), b"")
    assert (of(other), other.text) == (("HIT", 200), "hello")


async def test_equal_requests_wait_for_the_first_of_them() -> None:
    async with cached(numbered(HOUR)) as (client, origin):
        answers = await asyncio.gather(*(client.get("/a") for _ in range(5)))
    assert {one.text for one in answers} == {"0"}
    assert sorted(of(one)[0] for one in answers) == ["HIT"] * 4 + ["MISS"]
    assert origin.asked == 1


@pytest.mark.parametrize(("path", "headers"), [("/a", {}), ("/api/a", HOUR)])
async def test_nobody_waits_for_what_is_not_kept_nor_for_the_application(path: str, headers: dict[str, str]) -> None:
    async with cached(numbered(headers)) as (client, origin):
        answers = await asyncio.gather(*(client.get(path) for _ in range(5)))
    assert {one.text for one in answers} == {"0", "1", "2", "3", "4"}
    assert origin.asked == 5


async def test_a_deployment_forgets_all_also_what_is_under_way() -> None:
    let_go = asyncio.Event()

    async with cached(numbered(HOUR)) as (client, origin):
        await client.get("/a")
        origin.cache.purge()
        assert of(await client.get("/a")) == ("MISS", 200)

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            await let_go.wait()
            await Response("of the old deployment", headers=HOUR)(scope, receive, send)

        origin.answer = lambda _: slow  # type: ignore[assignment, return-value]
        under_way = asyncio.create_task(client.get("/b"))
        await asyncio.sleep(0.01)
        origin.cache.purge()
        let_go.set()
        assert (await under_way).text == "of the old deployment"
        origin.answer = says("new")
        assert (await client.get("/b")).text == "new"


async def test_it_keeps_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdn, "MOST_KEPT", 2)
    async with cached(lambda _: JSONResponse({}, headers=HOUR)) as (client, _):
        for number in range(3):
            await client.get(f"/{number}")
        assert [of(await client.get(f"/{number}"))[0] for number in (2, 1, 0)] == ["HIT", "HIT", "MISS"]
