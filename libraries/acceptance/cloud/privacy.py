"""CLOUD-02: what the CDN must not keep, and what it must keep apart."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from acceptance.clients.http import Response
from acceptance.cloud.cache import from_cache, path_of
from acceptance.deployment.descriptor import Variants
from acceptance.errors import NotOffered, shown
from acceptance.fixtures.users import User
from acceptance.polling import wait_until
from acceptance.providers.vercel import VercelDeployments
from acceptance.run import Run

FORBIDDEN = ("private", "no-store")
ROUNDS = 3  # of each value of a variant
SEEN_WITHIN = 10.0  # seconds from a deployment's being ready until the front end serves it

Part = Literal["range", "head", "known version", "compressed", "not compressed"]


async def request(
    run: Run, path: str, *, method: str = "GET", user: User | None = None, headers: Mapping[str, str] | None = None
) -> Response:  # fmt: skip
    """What the front end answers, whatever that is; the token of the user is sent, where one is given."""
    url = run.descriptor.service("frontend").url + path
    token = user.access_token if user else None
    response = await run.client.exchange(method, url, headers or {}, None, token=token)
    return replace(response, asked_by=user.email if user else "")


def forwarded_routes(run: Run) -> list[str]:
    """Names of the routes that read what is a user's own, and that the front end hands on to the API.

    Raises:
        NotOffered: the descriptor names none, or none of the contract's is among them.
    """
    beginnings = tuple(run.descriptor.edge_network.forwards)
    found = [
        name
        for name, route in run.contract.routes.items()
        if (route.method, route.kind, route.words) == ("GET", "user", []) and route.path.startswith(beginnings)
    ]
    if not found:
        raise NotOffered("edge.forwards")
    return found


def kept_private(run: Run, responses: Sequence[Response]) -> list[str]:
    """A line for each response from the cache that is private: by its headers, or since a user asked for it."""
    return [line for one in responses if (line := _kept_private(one, run.descriptor.edge_network.cache))]


def _kept_private(response: Response, source: str) -> str:
    if not from_cache(response, source):
        return ""
    directives = response.headers.get("cache-control", "").lower()
    reasons = [f"it is {word}" for word in FORBIDDEN if word in directives]
    reasons += ["it sets a cookie"] if "set-cookie" in response.headers else []
    reasons += [f"{response.asked_by or 'a user'} asked for it"] if response.asked_by else []
    return f"{path_of(response.url)} comes from the cache, and {' and '.join(reasons)}" if reasons else ""


async def mixed_up_variants(run: Run, named: Variants) -> list[str]:
    """Request an address with each of its values in turns; a line for each that gets what is another's."""
    bodies: dict[str, list[Response]] = {value: [] for value in named.values}
    for _ in range(ROUNDS):
        for value, several in bodies.items():
            if named.header:
                several.append(await request(run, named.path, headers={named.header: value}))
            else:
                several.append(await request(run, f"{named.path}{'&' if '?' in named.path else '?'}{value}"))
    return list(_mixed_up(named, bodies))


def _mixed_up(named: Variants, bodies: Mapping[str, Sequence[Response]]) -> Iterator[str]:
    by = named.header or "query"
    first: dict[bytes, str] = {}
    for value, several in bodies.items():
        wrong = [one for one in several if one.status != 200]
        if wrong:
            yield f"{named.path}, {by} {value}: {wrong[0].excerpt()}; {wrong[0].look}"
            continue
        contents = {one.content for one in several}
        if len(contents) > 1:
            yield f"{named.path}, {by} {value}: {len(contents)} different responses; {several[-1].look}"
        for content in contents:
            if (other := first.setdefault(content, value)) != value:
                seen = f"{several[0].excerpt()}; {several[0].look}"
                yield f"{named.path}: {by} {value} gets what {by} {other} gets: {seen}"


async def damaged_copies(run: Run, asset: str, part: Part) -> list[str]:
    """Ask for a part of an asset under an address that nothing has asked for, and then for all of it.

    Returns:
        A line for each response that is not what was asked for.
    """
    path = path_of(asset).partition("?")[0]
    whole = await request(run, path)
    fresh = f"{path}?{uuid.uuid4().hex}"
    asked = {
        "range": {"range": "bytes=1-4"},
        "known version": {"if-none-match": whole.headers.get("etag", '"none"')},
        "compressed": {"accept-encoding": "gzip"},
        "not compressed": {"accept-encoding": "identity"},
    }.get(part, {})
    found = []
    for headers in (asked, {}, asked):  # before and after the whole of it was asked for
        method = "HEAD" if part == "head" and headers is asked else "GET"
        response = await request(run, fresh, method=method, headers=headers)
        if problem := _damage(response, whole, part if headers is asked else None):
            found.append(f"{path}, {part if headers is asked else 'whole'}: {problem}; {response.look}")
    return found


def _damage(response: Response, whole: Response, part: Part | None) -> str:
    """What is wrong with a response, by what was asked for; empty where nothing is."""
    if part == "range" and response.status == 206:
        right = response.content == whole.content[1:5]
        return "" if right else f"expected bytes 1 to 4, observed {shown(response.content)}"
    if part == "known version" and response.status == 304:
        return "" if not response.content else f"304 with {len(response.content)} bytes"
    if response.status != 200:
        return f"expected 200, observed {response.excerpt()}"
    if part == "head":
        return "" if not response.content else f"expected no body, observed {len(response.content)} bytes"
    encoding = response.headers.get("content-encoding", "identity")
    if part == "not compressed" and encoding != "identity":
        return f"expected no encoding, observed {encoding}"
    same = response.content == whole.content
    return "" if same else f"expected the {len(whole.content)} bytes of the asset, observed {len(response.content)}"


async def deploy(run: Run) -> str:
    """Make the front end's deployment again; returns the identifier of the new one when it is ready.

    Raises:
        NotOffered: the descriptor does not say how.
        EnvironmentUnavailable: the provider refuses, or the deployment does not get ready.
    """
    made = VercelDeployments(run.descriptor, run.descriptor.edge_network.deployments)
    try:
        return await made.redeploy()
    finally:
        await made.close()


async def deployment_identity(run: Run) -> Response:
    """The response in which the front end names its deployment, where the descriptor says."""
    return await request(run, run.descriptor.edge_network.deployments.path)


async def wait_until_served(run: Run, identifier: str) -> Response:
    """The first response that names this deployment.

    Raises:
        AssertionError: none does, within some seconds of the deployment's being ready.
    """
    named = run.descriptor.edge_network.deployments
    return await wait_until(
        lambda: deployment_identity(run),
        lambda one: one.at(named.identity) == identifier,
        what=f"{named.path} is that of the deployment {identifier}", within=SEEN_WITHIN, every=0.25,
        describe=lambda one: f"{one.excerpt()}; {one.look}",
    )  # fmt: skip
