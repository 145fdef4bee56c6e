"""What answers beside the contract (INT-03): routes that it marks absent, and those that nobody described."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

from acceptance.clients.http import Response
from acceptance.deployment.contract import Route, read_contract
from acceptance.fixtures.users import User
from acceptance.run import Run

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
Key = tuple[str, str]  # method, and path with its words left out


async def undescribed(run: Run, user: User) -> list[str]:
    """One line for each route beside the contract; only GET is tried, without a token and with the user's."""
    contract, standard = run.contract, read_contract().routes
    known = {_key(route) for route in contract.routes.values()}
    known |= {("GET", getattr(service, "probe", "")) for _, service in run.descriptor.services}
    absent = {_key(standard[name]): name for name in getattr(contract.routes, "absent", ()) if name in standard}
    listed = [key for key in await _listed(run) if key not in known]
    everything = await _answers(run, f"/{uuid.uuid4()}", user)  # a front end may answer whatever is asked
    problems = []
    for method, path in dict.fromkeys([*listed, *(key for key in absent if key not in known)]):
        name = absent.get((method, path))
        by = [f"the contract marks routes.{name} absent" if name else "the contract does not describe it"]
        by += ["the OpenAPI document has it"] if (method, path) in listed else []
        answered = await _answers(run, path.replace("{}", str(uuid.uuid4())), user) if method == "GET" else ""
        by += [answered] if answered and not everything else []
        if len(by) > 1:
            problems.append(f"{method} {path}: {', '.join(by)}")
    return problems


async def _listed(run: Run) -> list[Key]:
    """The routes in the application's OpenAPI document, where it serves one."""
    if not run.is_offered("openapi"):
        return []
    response = await run.client.fetch(run.descriptor.services.api.url + run.contract.openapi)
    document = response.json() if _is_success(response) else None
    paths = document.get("paths") if isinstance(document, dict) else None
    return list(_operations(paths)) if isinstance(paths, dict) else []


def _operations(paths: dict[str, Any]) -> Iterator[Key]:
    for path, operations in paths.items():
        methods = {method.upper() for method in operations} if isinstance(operations, dict) else set()
        yield from ((method, _anonymous(path)) for method in sorted(methods & METHODS))


async def _answers(run: Run, path: str, user: User) -> str:
    """With what success a path is answered, the worst first; empty where there is none."""
    for who, token in (("without a token", None), ("with a user's token", user.access_token)):
        response = await run.client.fetch(run.descriptor.services.api.url + path, token=token)
        if _is_success(response):
            return f"it answers {response.status} {who}"
    return ""


def _is_success(response: Response) -> bool:
    return 200 <= response.status < 300


def _key(route: Route) -> Key:
    return route.method, _anonymous(route.path)


def _anonymous(path: str) -> str:
    return re.sub(r"{[^}]*}", "{}", path)
