"""CLOUD-01: how much of what pages reference comes from the CDN's cache, by its header and by the origin's counter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from acceptance.clients.http import Response
from acceptance.cloud.assets import fetched, referenced
from acceptance.deployment.contract import MISSING, pick
from acceptance.deployment.descriptor import OriginRequests
from acceptance.errors import EnvironmentUnavailable, NotOffered, shortened, shown, violation
from acceptance.performance.figures import Figure, figure_of_samples, note_not_measured, recorded
from acceptance.polling import wait_until
from acceptance.providers.api import ProviderApi
from acceptance.providers.vercel import CacheStatus
from acceptance.run import Run

CRITERION = "CLOUD-01"
MILLISECONDS = 1000
RENEWED_WITHIN = 15.0  # seconds after the first stale response
LOOK_EVERY = 0.5  # seconds
_ANY, _COUNTS = TypeAdapter[Any](Any), TypeAdapter(dict[str, float])

CacheFigure = Literal[
    "hit_rate", "worst_asset_hit_rate", "worst_asset_hit_rate_by_origin", "first_byte_cold", "first_byte_hit",
    "first_byte_miss",
]  # fmt: skip


@dataclass
class AssetTraffic:
    """Responses by asset: the first to each, and the warm ones in rounds over all of them.

    `origin` is how often the origin was asked for each path during the warm rounds; None without a counter.
    """

    cold: dict[str, Response]
    warm: dict[str, list[Response]] = field(default_factory=dict)
    origin: Mapping[str, float] | None = None
    source: str = ""

    @property
    def responses(self) -> list[Response]:
        return [*self.cold.values(), *(one for several in self.warm.values() for one in several)]

    def hit_rate(self, responses: Sequence[Response]) -> float:
        """Percent that came from the cache."""
        return 100 * sum(from_cache(one, self.source) for one in responses) / len(responses)

    @property
    def hit_rates(self) -> dict[str, float]:
        """Percent of the warm responses of each path."""
        return {path_of(asset): self.hit_rate(several) for asset, several in self.warm.items()}

    @property
    def hit_rates_by_origin(self) -> dict[str, float]:
        """Percent of the warm requests for which the origin was not asked, but to renew what was stale."""
        origin, found = self.origin or {}, {}
        for asset, several in self.warm.items():
            stale = sum(status_of(one, self.source) is CacheStatus.STALE for one in several)
            asked = max(0.0, origin.get(urlsplit(asset).path, 0.0) - stale)
            found[path_of(asset)] = 100 * max(0.0, len(several) - asked) / len(several)
        return found

    def first_bytes(self, kind: str) -> list[float]:
        """Milliseconds to the first byte of what was cold, of warm hits, or of warm misses."""
        warm = (one for several in self.warm.values() for one in several)
        chosen = self.cold.values() if kind == "cold" else self._of_kind(warm, kind == "hit")
        return [MILLISECONDS * one.first_byte for one in chosen]

    def _of_kind(self, responses: Iterator[Response], hits: bool) -> Iterator[Response]:
        return (one for one in responses if from_cache(one, self.source) == hits)


def path_of(url: str) -> str:
    """Path and query of an address."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def status_of(response: Response, source: str) -> CacheStatus | None:
    """What a response says of the cache; None where it says nothing."""
    value = response.at(source)
    return None if value in (None, "", MISSING) else CacheStatus.read(str(value))


def from_cache(response: Response, source: str) -> bool:
    """Whether a response says that it came from the cache."""
    status = status_of(response, source)
    return status is not None and status.from_cache


async def assets(run: Run) -> list[str]:
    """Addresses of what the descriptor's pages reference, found once in a run; one at least.

    Raises:
        AssertionError: a page is not there, or it references nothing.
    """
    found = await run.once("assets", partial(referenced, run))
    if not found:
        pages = ", ".join(run.descriptor.edge_network.pages)
        raise violation(pages, expected="references to assets of the same origin", observed="none")
    return found


async def traffic(run: Run, times: int) -> AssetTraffic:
    """Request every asset once and then so many times more, once in a run.

    Raises:
        AssertionError: an asset is not answered with 200.
        EnvironmentUnavailable: no response says what the cache did, or the origin's counter cannot be read.
    """
    return await run.once("asset traffic", partial(_traffic, run, times))


async def _traffic(run: Run, times: int) -> AssetTraffic:
    edge, found = run.descriptor.edge_network, await assets(run)
    seen = AssetTraffic({one: await fetched(run, one) for one in found}, {one: [] for one in found}, source=edge.cache)
    before = await _counted(run)
    for _ in range(times):
        for asset, several in seen.warm.items():
            several.append(await fetched(run, asset))
    after = await _counted(run)
    if before is not None and after is not None:
        seen.origin = {path: count - before.get(path, 0.0) for path, count in after.items()}
    if all(status_of(one, edge.cache) is None for one in seen.responses):
        raise EnvironmentUnavailable(
            f"no response of {len(found)} assets says what the cache did: edge.cache of the descriptor is {edge.cache}"
        )
    _record(run, seen, times)
    return seen


def _record(run: Run, seen: AssetTraffic, times: int) -> None:
    """The share of each asset, and of all of them in each round."""
    for path, rate in seen.hit_rates.items():
        run.observe(CRITERION, f"hit rate of {path}", rate, "%", samples=times)
    rounds = [[several[number] for several in seen.warm.values()] for number in range(times)]
    points = [(number + 1.0, seen.hit_rate(one)) for number, one in enumerate(rounds)]
    worst = min(seen.warm.values(), key=seen.hit_rate)
    lines = {"all assets": points, "worst asset": [(n + 1.0, seen.hit_rate([one])) for n, one in enumerate(worst)]}
    run.observe_series(CRITERION, "from the cache, by warm request", lines, "%", x_unit="request")


async def figure(run: Run, name: CacheFigure, times: int) -> Figure:
    """A figure of the asset traffic, recorded where a test first asks for it.

    Raises:
        NotOffered: the origin has no counter.
    """
    seen = await traffic(run, times)
    return await recorded(run, name, partial(_figure, run, seen, name))


def _figure(run: Run, seen: AssetTraffic, name: CacheFigure) -> Figure:
    if name.startswith("first_byte"):
        kind = name.rpartition("_")[2]
        samples = seen.first_bytes(kind)
        if not samples:
            note_not_measured(run, CRITERION, name, f"no warm response was a {kind}")
        return figure_of_samples(run, CRITERION, name, samples, "ms", "median", f"median first byte, {kind}")
    if name == "hit_rate":
        warm = [one for several in seen.warm.values() for one in several]
        rates, rate, count = seen.hit_rates, seen.hit_rate(warm), len(warm)
    else:
        if name == "worst_asset_hit_rate_by_origin" and seen.origin is None:
            raise NotOffered("edge.origin_requests")
        rates = seen.hit_rates if name == "worst_asset_hit_rate" else seen.hit_rates_by_origin
        rate, count = min(rates.values()), len(next(iter(seen.warm.values())))
    run.observe(CRITERION, name, rate, "%", samples=count)
    low = sorted((one, path) for path, one in rates.items() if one < 100)
    return Figure(name.replace("_", " "), rate, "%", count, shortened(f"{path} {one:.3g} %" for one, path in low))


async def wait_until_stale(run: Run) -> Response:
    """The first response that says that its copy's time was over, of the address that the descriptor names.

    Raises:
        AssertionError: none came in the time after which the copy is stale, and some more.
        NotOffered: the descriptor names no such address.
    """
    edge = run.descriptor.edge_network
    named = edge.stale_after
    over = (CacheStatus.STALE, CacheStatus.REVALIDATED)
    return await _awaited(run, lambda one: status_of(one, edge.cache) in over, f"{named.path} is reported as stale",
                          2 * named.seconds + RENEWED_WITHIN)  # fmt: skip


async def wait_until_renewed(run: Run) -> Response:
    """The first response from the cache whose age says that the copy was renewed; raises as `wait_until_stale`."""
    edge = run.descriptor.edge_network
    named = edge.stale_after

    def is_new(one: Response) -> bool:
        age = one.headers.get("age", "")
        return status_of(one, edge.cache) is CacheStatus.HIT and age.isdigit() and int(age) <= named.seconds

    return await _awaited(run, is_new, f"{named.path} is renewed", RENEWED_WITHIN)


async def _awaited(run: Run, satisfied: Callable[[Response], bool], what: str, within: float) -> Response:
    edge = run.descriptor.edge_network
    url = run.descriptor.service("frontend").url + edge.stale_after.path
    return await wait_until(
        lambda: fetched(run, url), satisfied, what=what, within=within, every=LOOK_EVERY,
        describe=lambda one: f"{status_of(one, edge.cache) or 'no status'}, age {one.headers.get('age', 'none')}",
    )  # fmt: skip


async def _counted(run: Run) -> Mapping[str, float] | None:
    """Requests of the origin so far, by path; None where the descriptor names no counter."""
    try:
        named = run.descriptor.edge_network.origin_requests
    except NotOffered:
        return None
    return await counted(run, named)


async def counted(run: Run, named: OriginRequests) -> Mapping[str, float]:
    """Requests that the origin counts, by path; raises EnvironmentUnavailable where its counter cannot be read."""
    token = run.descriptor.secret(named.token) if named.token else None
    api = ProviderApi("the origin's counter", named.url, token, secret=named.token or "")
    try:
        document = api.parsed(_ANY, await api.call("GET", ""))
    finally:
        await api.close()
    try:
        return _COUNTS.validate_python(pick(document, named.at))
    except ValidationError:
        raise EnvironmentUnavailable(
            f"the origin's counter: expected an object of numbers at '{named.at}', observed {shown(document)}"
        ) from None
