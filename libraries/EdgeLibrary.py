"""The CDN and the edge before the front end: cache, variants, deployments, probe."""

from __future__ import annotations

from acceptance.clients.http import Response
from acceptance.cloud import cache, privacy, probe
from acceptance.cloud.cache import CacheFigure
from acceptance.cloud.privacy import Part
from acceptance.cloud.probe import EdgeFigure
from acceptance.deployment.contract import MISSING
from acceptance.deployment.descriptor import Variants
from acceptance.providers.vercel import EdgeId
from assertionengine import AssertionOperator
from robot.api.deco import library
from robot_run.figures import checked_figure
from robot_run.keywords import Actor, Observed, getter, keyword, step, user_named
from robot_run.lifecycle import the_run

WITHIN = 300.0  # some hundred requests, over a long line too


@library(scope="GLOBAL", version="1.0.0", doc_format="ROBOT")
class EdgeLibrary:
    """Requests what the front end serves, and reads what its CDN says.

    Everything needs the section ``edge`` of the deployment's descriptor; a test that needs a part of it which is left
    out is skipped. ``times`` counts for the first test that asks: the others share what was measured.
    """

    @step(within=WITHIN)
    async def get_assets(self) -> list[str]:
        """Returns the addresses of what the descriptor's pages reference at their own origin; one at least.

        | @{assets} =    Get Assets
        """
        return await cache.assets(the_run())

    @step(within=WITHIN)
    async def request_assets(self, *, times: int = 20) -> list[Response]:
        """Requests every asset once and then so many times more; returns all responses.

        | Request Assets    times=20
        """
        return (await cache.traffic(the_run(), times)).responses

    @keyword()
    def get_cache_figure(
        self,
        figure: CacheFigure,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: float | None = None,
        *,
        times: int = 20,
    ) -> float:
        """Returns a figure of the assets: a share in percent, or the median first byte in milliseconds.

        ``..._by_origin`` is counted by the origin; where it has no counter, the test is skipped.

        | Get Cache Figure    worst_asset_hit_rate    >    90
        """
        found = the_run().wait(cache.figure(the_run(), figure, times), within=WITHIN)
        return checked_figure(found, assertion_operator, assertion_expected)

    @step(within=WITHIN)
    async def wait_until_stale(self) -> Response:
        """Waits until the cache reports the copy of ``edge.stale_after`` as stale, or as renewed just now.

        | Wait Until Stale
        """
        return await cache.wait_until_stale(the_run())

    @step(within=WITHIN)
    async def wait_until_renewed(self) -> Response:
        """Waits until the address ``edge.stale_after`` comes from the cache again, not older than it may be.

        | Wait Until Renewed
        """
        return await cache.wait_until_renewed(the_run())

    @step()
    async def request_front_end(
        self, path: str, *, method: str = "GET", user: Actor = None, headers: dict[str, str] | None = None
    ) -> Response:
        """Sends a request to the front end, and returns whatever comes back; with a token only where a user is named.

        | ${response} =    Request Front End    /visit    headers=${{ {'cookie': 'visit=1'} }}
        """
        sender = None if user is None else user_named(user)
        return await privacy.request(the_run(), path, method=method, user=sender, headers=headers)

    @keyword()
    def get_forwarded_routes(self) -> list[str]:
        """Returns the routes that read what is a user's own, and that the front end hands on to the API; one at least.

        | @{routes} =    Get Forwarded Routes
        """
        return privacy.forwarded_routes(the_run())

    @getter()
    def get_cache_status(self, response: Response) -> Observed:
        """Returns what a response says of the cache, such as ``HIT``; None where it says nothing.

        | Get Cache Status    ${response}    ==    HIT
        """
        status = cache.status_of(response, the_run().descriptor.edge_network.cache)
        return Observed(status and str(status), f"cache status of {cache.path_of(response.url)}", response.look)

    @getter()
    def get_kept_private_responses(self, responses: list[Response]) -> Observed:
        """Returns a line for each response from the cache that is private, sets a cookie, or answers credentials.

        | Get Kept Private Responses    ${responses}    ==    ${NO PROBLEMS}
        """
        problems = privacy.kept_private(the_run(), responses)
        return Observed(problems, f"{len(responses)} responses, those that the cache may not keep")

    @keyword()
    def get_personal_addresses(self) -> list[str]:
        """Returns the addresses whose every response belongs to the client that gets it.

        | @{addresses} =    Get Personal Addresses
        """
        return the_run().descriptor.edge_network.personal

    @keyword()
    def get_variants(self) -> list[Variants]:
        """Returns the addresses that are answered differently for several values of a header or of the query.

        | @{variants} =    Get Variants
        """
        return the_run().descriptor.edge_network.variants

    @getter(within=WITHIN)
    async def get_mixed_up_variants(self, variants: Variants) -> Observed:
        """Requests an address with its values in turns; returns a line for each that gets what is another's.

        | Get Mixed Up Variants    ${variants}    ==    ${NO PROBLEMS}
        """
        problems = await privacy.mixed_up_variants(the_run(), variants)
        return Observed(problems, f"variants of {variants.path} by {variants.header or 'query'}")

    @getter(within=WITHIN)
    async def get_damaged_copies(self, asset: str, part: Part) -> Observed:
        """Requests a part of an asset, all of it, and the part; returns a line for each that is not what was asked for.

        - ``part``: ``range``, ``head``, ``known version`` (what differs from it), ``compressed``, ``not compressed``.

        | Get Damaged Copies    ${asset}    range    ==    ${NO PROBLEMS}
        """
        problems = await privacy.damaged_copies(the_run(), asset, part)
        return Observed(problems, f"copies of {cache.path_of(asset)}")

    @step(within=WITHIN)
    async def make_deployment(self) -> str:
        """Makes the deployment of the front end again, waits until it is ready, and returns its identifier.

        | ${deployment} =    Make Deployment
        """
        return await privacy.deploy(the_run())

    @step()
    async def wait_until_served(self, deployment: str) -> Response:
        """Waits until the front end names a deployment as its own.

        | Wait Until Served    ${deployment}
        """
        return await privacy.wait_until_served(the_run(), deployment)

    @getter()
    async def get_deployment(self) -> Observed:
        """Returns the identifier of the deployment that the front end names as its own.

        | Get Deployment    ==    ${deployment}
        """
        run = the_run()
        response = await privacy.deployment_identity(run)
        value = response.at(run.descriptor.edge_network.deployments.identity)
        return Observed(None if value is MISSING else value, "deployment of the front end", response.look)

    @step(within=WITHIN)
    async def measure_edge(self, *, times: int = 200) -> int:
        """Calls the probe of the edge so often over kept connections, after the first over a fresh one.

        Returns how many calls were measured.

        | Measure Edge    times=200
        """
        return len((await probe.measured(the_run(), times)).first_bytes)

    @keyword()
    def get_edge_figure(
        self,
        figure: EdgeFigure,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: float | None = None,
        *,
        times: int = 200,
    ) -> float:
        """Returns a figure of the probe in milliseconds: ``edge_p95`` is without connection set-up and line.

        | Get Edge Figure    edge_p95    <=    200
        """
        found = the_run().wait(probe.figure(the_run(), figure, times), within=WITHIN)
        return checked_figure(found, assertion_operator, assertion_expected)

    @getter()
    def get_edge_region(self, response: Response) -> Observed:
        """Returns the region of the edge that a response names; None where it names none.

        | ${region} =    Get Edge Region    ${response}
        """
        value = response.at(the_run().descriptor.edge_network.id)
        found = EdgeId.read(str(value)) if isinstance(value, str) else None
        return Observed(found and found.edge, "region of the edge", response.look)

    @getter()
    def get_middleware_mark(self, response: Response) -> Observed:
        """Returns what middleware put into the header of a response by which it marks what it handled; None without.

        | Get Middleware Mark    ${response}    !=    ${None}
        """
        value = response.at(the_run().descriptor.edge_network.middleware)
        return Observed(None if value is MISSING else value, "mark of the middleware", response.look)

    @keyword()
    def get_rewrites(self) -> dict[str, str]:
        """Returns the addresses that middleware has another one answer, and that one.

        | &{rewrites} =    Get Rewrites
        """
        return the_run().descriptor.edge_network.rewrites
