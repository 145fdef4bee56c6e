"""Vercel's deployments on the service `platform`: https://vercel.com/docs/rest-api/deployments, as far as a run asks.

A deployment is built for a moment; then the origin serves it under the usual address, and the cache is purged.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.serving import has_bearer
from sandbox.settings import NO_TLS, Settings
from sandbox.site import new_deployment

PROJECT: Final = "frontend"
TARGET: Final = "production"
STATES: Final = ("QUEUED", "BUILDING", "READY")
QUEUED_SECONDS: Final = 0.1
BUILDING_SECONDS: Final = 0.5


class Vercel:
    """Deployments of the one project, newest last."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, dict[str, Any]] = {}
        self._building: set[asyncio.Task[None]] = set()

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/v6/deployments", self._guarded(self._list)),
            Route("/v13/deployments", self._guarded(self._create), methods=["POST"]),
            Route("/v13/deployments/{id}", self._guarded(self._get)),
        ]

    def _guarded(self, answer: Any) -> Any:
        async def guarded(request: Request) -> JSONResponse:
            if not has_bearer(request, self._settings.platform_key):
                return _error(403, "forbidden", "Not authorized", invalidToken=True)
            found: JSONResponse = await answer(request)
            return found

        return guarded

    async def _list(self, request: Request) -> JSONResponse:
        if request.query_params.get("projectId", PROJECT) != PROJECT:
            return _error(404, "not_found", "Project not found.")
        if not self._known:
            first = (await self._origin("GET"))["id"]
            self._known[first] = self._described(first, "READY")
        state = request.query_params.get("state")
        found = [one for one in reversed(self._known.values()) if state in (None, one["readyState"])]
        named = [{"uid": one["id"], "state": one["readyState"], "created": one["createdAt"], **one} for one in found]
        limit = int(request.query_params.get("limit", "20"))
        return JSONResponse({"deployments": named[:limit], "pagination": {"count": len(named[:limit])}})

    async def _create(self, request: Request) -> JSONResponse:
        """A deployment again, as it was (`deploymentId`)."""
        body = await request.json()
        if not isinstance(body, dict) or body.get("deploymentId") not in self._known:
            return _error(404, "not_found", "Deployment not found.")
        made = self._described(new_deployment(), STATES[0])
        self._known[made["id"]] = made
        building = asyncio.create_task(self._build(made))
        self._building.add(building)
        building.add_done_callback(self._building.discard)
        return JSONResponse(made)

    async def _get(self, request: Request) -> JSONResponse:
        found = self._known.get(request.path_params["id"])
        return JSONResponse(found) if found else _error(404, "not_found", "Deployment not found.")

    async def _build(self, made: dict[str, Any]) -> None:
        await asyncio.sleep(QUEUED_SECONDS)
        made["readyState"] = made["status"] = STATES[1]
        await asyncio.sleep(BUILDING_SECONDS)
        try:
            await self._origin("PUT", {"id": made["id"]})
        except httpx.HTTPError:
            made["readyState"] = made["status"] = "ERROR"
        else:
            made["readyState"] = made["status"] = STATES[2]
            made["aliasAssigned"] = int(time.time() * 1000)

    def _described(self, identifier: str, state: str) -> dict[str, Any]:
        url = self._settings.frontend_url.partition("://")[2]
        return {
            "id": identifier, "name": PROJECT, "projectId": PROJECT, "url": url, "target": TARGET,
            "readyState": state, "status": state, "createdAt": int(time.time() * 1000), "aliasAssigned": None,
        }  # fmt: skip

    async def _origin(self, method: str, body: Any = None) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self._settings.platform_key}"}
        async with httpx.AsyncClient(verify=NO_TLS, trust_env=False, headers=headers) as client:
            response = await client.request(method, f"{self._settings.url('origin')}/deployment", json=body)
            found: dict[str, Any] = response.raise_for_status().json()
            return found


def _error(status: int, code: str, message: str, **more: object) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message, **more}}, status)
