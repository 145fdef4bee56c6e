"""Health of the deployment, within two seconds even when services are down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, cast

import httpx
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.datastructures import State
from starlette.requests import Request

from sandbox.app.access import Services, Uses
from sandbox.app.database import Row, bounded
from sandbox.app.errors import Unavailable
from sandbox.app.fields import described

CHECK_SECONDS: Final = 1.5
KEPT_SECONDS: Final = 1.0
MOST_HEARTBEAT_AGE_SECONDS: Final = 5.0
WORKERS: Final = """
    select id, build, extract(epoch from clock_timestamp() - at)::float as heartbeat_age_seconds from app.workers
      where at > now() - interval '1 hour' order by at desc, id"""

Condition = Literal["healthy", "unavailable"]
Findings = tuple[dict[str, Condition], list[Row]]

router: Final = APIRouter(tags=["health"])


class WorkerHealth(BaseModel):
    id: str
    build: str
    heartbeat_age_seconds: Annotated[float, described(minimum=0)]


class Health(BaseModel):
    status: Literal["healthy", "degraded"]
    environment: str
    version: str
    build: str
    services: dict[str, Condition]
    workers: list[WorkerHealth]
    timestamp: datetime


@router.get("/health")
async def health(request: Request, services: Uses) -> Health:
    """200 also when degraded; `workers` begins with the latest heartbeat."""
    conditions, workers = await kept(request.app.state, services)
    about = services.settings
    return Health(
        status="healthy" if set(conditions.values()) == {"healthy"} else "degraded",
        environment=about.environment,
        version=about.version,
        build=about.build,
        services=conditions,
        workers=[WorkerHealth(**worker) for worker in workers],
        timestamp=datetime.now(UTC),
    )


async def kept(state: State, services: Services) -> Findings:
    """Findings of at most a second ago; concurrent requests share one check."""
    if time.monotonic() > getattr(state, "examined_until", 0.0):
        state.examination, state.examined_until = asyncio.create_task(probe(services)), time.monotonic() + KEPT_SECONDS
    return cast(Findings, await asyncio.shield(state.examination))


async def probe(services: Services) -> Findings:
    """Check all services concurrently."""
    settings = services.settings
    answers = await asyncio.gather(
        _try(services.database.all(WORKERS)),
        _try(_ask(services, f"{settings.auth_link}/health", settings.anon_key)),
        _try(_ask(services, f"{settings.storage_link}/status", settings.service_role_key)),
        _try(_ask(services, f"{settings.parser_link}/api/v2/parse/versions", settings.llamaparse_key)),
        _try(_ask(services, f"{settings.model_link}/models", settings.openai_key)),
    )
    names = ("database", "authentication", "storage", "parser", "model")
    conditions = {name: condition(answer is not None) for name, answer in zip(names, answers, strict=True)}
    workers: list[Row] = answers[0] or []
    youngest = min((worker["heartbeat_age_seconds"] for worker in workers), default=None)
    conditions["worker"] = condition(youngest is not None and youngest <= MOST_HEARTBEAT_AGE_SECONDS)
    return conditions, workers


def condition(good: bool) -> Condition:
    return "healthy" if good else "unavailable"


async def _try(check: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await bounded(check, CHECK_SECONDS)
    except (Unavailable, TimeoutError, httpx.HTTPError):
        return None


async def _ask(services: Services, url: str, key: str) -> bool:
    """Whether a service responds properly: not found is fine; a refused key, a full quota or a fault is not."""
    answer = await services.http.get(url, headers={"authorization": f"Bearer {key}", "apikey": key})
    if answer.status_code in (401, 403, 429) or answer.status_code >= 500:
        raise Unavailable(url)
    return True
