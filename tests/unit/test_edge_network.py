"""What a CDN and an edge do is observed as it is: the sandbox's front end in this process, and with each defect."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from acceptance.clients.error_log import ErrorLog
from acceptance.clients.http import ContractClient
from acceptance.cloud import cache, privacy, probe
from acceptance.deployment.contract import Contract
from acceptance.deployment.descriptor import Descriptor, EdgeNetwork
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable, NotOffered
from acceptance.fixtures.users import User
from acceptance.performance.request_phases import Timing
from acceptance.providers.api import ProviderApi
from acceptance.providers.vercel import EdgeId
from acceptance.redaction.redactor import Redactor

from sandbox import frontend
from sandbox.defects import cdn as cdn_defects
from sandbox.defects import edge as edge_defects
from sandbox.descriptor import describe
from sandbox.settings import LISTENERS, Settings
from sandbox.site import Site, control

Result = Any


@dataclass
class Deployment:
    """The front end of a sandbox whose requests stay in this process, and a run that observes it."""

    settings: Settings
    site: Site
    edge: frontend.Edge
    descriptor: Descriptor
    contract: Contract
    client: ContractClient
    observed: dict[str, Any] = field(default_factory=dict)
    shared: dict[str, Any] = field(default_factory=dict)
    context: Any = field(default_factory=lambda: SimpleNamespace(figures={}))

    def change(self, **parts: Any) -> None:
        """Have the descriptor's section say something else."""
        assert self.descriptor.edge is not None
        edge = self.descriptor.edge.model_copy(update=parts)
        self.descriptor = self.descriptor.model_copy(update={"edge": edge})

    def observe(self, criterion: str, name: str, value: Any, unit: str, **more: Any) -> None:
        self.observed[name] = value

    def observe_series(self, criterion: str, name: str, lines: Any, unit: str, **more: Any) -> None:
        self.observed[name] = lines

    async def once(self, name: str, make: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        if name not in self.shared:
            self.shared[name] = await make()
        return self.shared[name]


@pytest.fixture
def there(tmp_path: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings = Settings(tmp_path, {name: 1000 + number for number, name in enumerate(LISTENERS)}, build="abc123")
    described = {name: value for name, value in describe(settings).items() if name != "build"}
    descriptor = Descriptor.model_validate(described)
    for secret in descriptor.secrets.values():
        monkeypatch.setenv(secret, settings.platform_key)
    site = Site(settings)
    edge = frontend.application(settings, site)
    origin = control(site, edge.cache.purge, settings.platform_key)
    mounts = {settings.frontend_url: edge, settings.url("origin"): origin}

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            app: Any = mounts[f"{request.url.scheme}://{request.url.netloc.decode()}"]
            return await httpx.ASGITransport(app).handle_async_request(request)

    redactor = Redactor()
    client = ContractClient(descriptor, contract, ErrorLog(redactor), redactor, transport=Transport())
    monkeypatch.setattr("acceptance.cloud.cache.ProviderApi", partial(ProviderApi, transport=Transport()))
    return Deployment(settings, site, edge, descriptor, contract, client)


def plant(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Plant a defect for this test alone."""
    module = next(one for one in (cdn_defects, edge_defects) if hasattr(one, name))
    monkeypatch.setattr(module, "patch", monkeypatch.setattr)
    getattr(module, name)()


async def test_every_asset_is_found_and_comes_from_the_cache(there: Any) -> None:
    found = await cache.assets(there)
    assert len(found) >= 3
    seen = await cache.traffic(there, 20)
    assert set(seen.hit_rates.values()) == {100}
    for name in ("hit_rate", "worst_asset_hit_rate", "worst_asset_hit_rate_by_origin"):
        figure = await cache.figure(there, name, 20)
        assert figure.value == 100
    assert there.observed["hit_rate"] == 100
    assert len(seen.cold) == len(found)
    assert len(seen.first_bytes("hit")) == 20 * len(found)
    assert (await cache.figure(there, "first_byte_miss", 20)).value == float("inf")
    assert there.observed["first_byte_miss_told"] == "not measured: no warm response was a miss"


async def test_an_asset_that_is_never_cached_is_the_worst(there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "asset_never_cached")
    figure = await cache.figure(there, "worst_asset_hit_rate", 20)
    assert figure.value == 0
    assert ".css 0 %" in figure.details


async def test_an_origin_that_is_asked_for_each_hit_disagrees(there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "hit_that_asks_the_origin")
    assert (await cache.figure(there, "worst_asset_hit_rate", 20)).value == 100
    assert (await cache.figure(there, "worst_asset_hit_rate_by_origin", 20)).value == 0


async def test_a_stale_copy_is_renewed_and_one_that_is_not_is_a_violation(
    there: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "LOOK_EVERY", 0.01)
    now = [0.0]
    monkeypatch.setattr("sandbox.cdn.now", lambda: now.__setitem__(0, now[0] + 0.3) or now[0])
    assert (await cache.wait_until_stale(there)).headers["x-vercel-cache"] == "STALE"
    assert (await cache.wait_until_renewed(there)).headers["x-vercel-cache"] == "HIT"
    plant(monkeypatch, "stale_for_ever")
    monkeypatch.setattr(cache, "RENEWED_WITHIN", 0.3)
    await cache.wait_until_stale(there)
    with pytest.raises(AssertionError, match=r"/ is renewed: expected within 0.3 s, observed STALE, age \d+"):
        await cache.wait_until_renewed(there)


async def test_a_header_of_another_name_is_not_verified(there: Any) -> None:
    there.change(cache="header:x-cache")
    with pytest.raises(EnvironmentUnavailable, match=r"no response of \d+ assets says what the cache did: edge.cache"):
        await cache.traffic(there, 2)


@pytest.mark.parametrize(
    ("at", "token", "reason"),
    [("counts", "platform_key", "expected an object of numbers at 'counts'"), ("requests", "", "status 401")],
)
async def test_a_counter_that_cannot_be_read_is_not_verified(there: Any, at: str, token: str, reason: str) -> None:
    named = there.descriptor.edge.origin_requests
    there.change(origin_requests=named.model_copy(update={"at": at, "token": token or None}))
    with pytest.raises(EnvironmentUnavailable, match=reason):
        await cache.traffic(there, 2)


async def test_without_a_counter_the_share_of_the_origin_is_not_offered(there: Any) -> None:
    there.change(origin_requests=EdgeNetwork.model_fields["origin_requests"].default)
    assert (await cache.figure(there, "hit_rate", 2)).value == 100
    with pytest.raises(NotOffered, match=r"edge\.origin_requests"):
        await cache.figure(there, "worst_asset_hit_rate_by_origin", 2)


def test_without_the_section_nothing_is_known(there: Any) -> None:
    there.descriptor = there.descriptor.model_copy(update={"edge": None})
    with pytest.raises(
        CapabilityMissing, match="needs the capability 'edge', but the descriptor has no section 'edge'"
    ):
        there.descriptor.edge_network  # noqa: B018


async def variants(there: Any) -> list[str]:
    named = there.descriptor.edge.variants
    return [line for one in named for line in await privacy.mixed_up_variants(there, one)]


async def parts(there: Any) -> list[str]:
    kinds: tuple[privacy.Part, ...] = ("range", "head", "known version", "compressed", "not compressed")
    found = await cache.assets(there)
    return [line for kind in kinds for line in await privacy.damaged_copies(there, found[0], kind)]


async def personal(there: Any) -> list[str]:
    responses = [await privacy.request(there, path) for path in there.descriptor.edge.personal * 3]
    return privacy.kept_private(there, responses)


async def test_a_good_cache_has_no_problem(there: Any) -> None:
    assert await variants(there) + await parts(there) + await personal(there) == []


@pytest.mark.parametrize(
    ("defect", "look", "line"),
    [
        ("cache_ignores_vary", variants, "accept-language de gets what accept-language en gets"),
        ("cache_key_without_query", variants, "query about=chat gets what query about=upload gets"),
        ("cache_keeps_cookies", personal, "/visit comes from the cache, and it sets a cookie"),
        ("cache_ignores_encodings", parts, "not compressed: expected no encoding, observed gzip"),
    ],
)
async def test_what_a_cache_mixes_up_is_told(
    defect: str, look: Callable[[Any], Coroutine[Any, Any, list[str]]], line: str, there: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    plant(monkeypatch, defect)
    assert line in "; ".join(await look(there))


async def test_no_client_sends_the_cookie_that_another_was_given(there: Any) -> None:
    visits = [(await privacy.request(there, "/visit")).json()["visit"] for _ in range(3)]
    assert len(set(visits)) == 3
    known = await privacy.request(there, "/visit", headers={"cookie": f"visit={visits[0]}"})
    assert known.json() == {"visit": visits[0]}


async def test_a_response_to_credentials_from_the_cache_is_told(there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "cache_takes_authorized_responses")
    alice = User("alice@example.com", "", access_token="tok-123456789")
    responses = [await privacy.request(there, "/deployment.json", user=alice) for _ in range(2)]
    assert privacy.kept_private(there, responses) == [
        "/deployment.json comes from the cache, and alice@example.com asked for it"
    ]


async def test_a_deployment_is_served_and_one_that_is_not_is_a_violation(
    there: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privacy, "SEEN_WITHIN", 0.2)
    before = await privacy.deployment_identity(there)
    assert before.at("json:deployment") == there.site.deployment

    async def deployed(name: str) -> None:
        there.site.deployment = name
        there.edge.cache.purge()

    await deployed("dpl_2")
    assert (await privacy.wait_until_served(there, "dpl_2")).at("json:deployment") == "dpl_2"
    plant(monkeypatch, "old_content_after_deployment")
    await deployed("dpl_3")
    with pytest.raises(
        AssertionError, match=r"is that of the deployment dpl_3: expected within 0.2 s, observed.*dpl_2"
    ):
        await privacy.wait_until_served(there, "dpl_3")


def test_only_reading_routes_of_users_are_forwarded(there: Any) -> None:
    assert set(privacy.forwarded_routes(there)) == {"jobs", "user", "documents", "conversations"}
    there.change(forwards=["/nothing/"])
    with pytest.raises(NotOffered, match=r"edge\.forwards"):
        privacy.forwarded_routes(there)


@pytest.mark.parametrize(
    ("defect", "value"), [("", "local"), ("edge_names_no_region", None), ("middleware_leaves_no_mark", "local")]
)
async def test_region_and_mark_are_read_as_they_are(
    defect: str, value: str | None, there: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if defect:
        plant(monkeypatch, defect)
    response = await privacy.request(there, "/api/edge/probe")
    found = EdgeId.read(str(response.at(there.descriptor.edge.id)))
    assert (found.edge if found else None) == value
    assert (response.at(there.descriptor.edge.middleware) == "1") == (defect != "middleware_leaves_no_mark")


async def test_a_rewrite_that_is_gone_shows_no_page(there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await privacy.request(there, "/start")).content == (await privacy.request(there, "/")).content
    plant(monkeypatch, "rewrite_is_gone")
    assert (await privacy.request(there, "/start")).status == 404


def timing(*, connect: float | None, server: float) -> Timing:
    return Timing(dns=None, connect=connect, tls=None, server=server, body=0.001, total=server + (connect or 0))


async def test_the_line_is_subtracted_from_what_is_judged(there: Any) -> None:
    kept = [timing(connect=0.05, server=0.5)] + [timing(connect=None, server=0.15)] * 190
    kept += [timing(connect=None, server=0.3)] * 10
    fresh = [timing(connect=0.05, server=0.2)] * 3
    there.shared["edge probe"] = probe.ProbeTimes(timing(connect=0.05, server=0.9), kept, fresh)
    values = {name: (await probe.figure(there, name, 200)).value for name in ("edge_p95", "first_byte", "cold_start")}
    assert values == pytest.approx({"edge_p95": 100, "first_byte": 150, "cold_start": 950})
    assert (await probe.figure(there, "dns_time", 200)).value == float("inf")
    assert there.observed["dns_time_told"] == "not measured: no call needed DNS"
    there.shared["edge probe"].kept.extend([timing(connect=None, server=0.3)] * 5)
    there.context.figures.clear()
    assert (await probe.figure(there, "edge_p95", 200)).value == pytest.approx(250)
