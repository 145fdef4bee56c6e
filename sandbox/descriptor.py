"""The descriptor of the running sandbox, and the file with its secrets beside it."""

from __future__ import annotations

from dataclasses import replace as replace_fields
from pathlib import Path
from typing import Any, Final

import yaml

from sandbox import dialects, platform, pooler, site, tls, vercel
from sandbox.settings import (
    APPLICATION_ROLE,
    DATABASE,
    HOST,
    INSPECTOR_ROLE,
    INSTANCE_HEADER,
    METRICS_PATH,
    OPERATOR_ROLE,
    POOL_SIZE,
    POOLED_ROLE,
    Settings,
)
from sandbox.state import replace, written

SECRETS: Final = {
    "database_password": "SANDBOX_DATABASE_PASSWORD",
    "webhook_secret": "SANDBOX_WEBHOOK_SECRET",
    "service_role_key": "SANDBOX_SERVICE_ROLE_KEY",
    "anon_key": "SANDBOX_ANON_KEY",
    "platform_key": "SANDBOX_PLATFORM_KEY",
    "fault_token": "SANDBOX_FAULT_TOKEN",
    "fault_password": "SANDBOX_FAULT_PASSWORD",
}
POOLER_PASSWORD: Final = "SANDBOX_POOLER_PASSWORD"


def describe(settings: Settings) -> dict[str, Any]:
    """The descriptor as data; a hostile server is all services that answer over HTTP, and offers nothing else."""
    if settings.hostile:
        return _hostile(settings)
    identity = {"build": "json:build", "version": "json:version"}
    database = {"host": HOST, "port": settings.ports["database"], "name": DATABASE}
    return {
        "name": "sandbox",
        "environment": settings.environment,
        "build": settings.build,
        "services": {
            "frontend": {
                "url": settings.frontend_url,
                "probe": "/",
                "build": "header:x-build",
                "version": "header:x-version",
            },
            "api": {"url": settings.api_url, "probe": "/health", **identity},
            "worker": {
                "url": settings.api_url,
                "probe": "/health",
                "build": "json:workers.0.build",
                "version": "json:version",
                "heartbeat_age": "json:workers.*.heartbeat_age_seconds",
                "max_heartbeat_age_seconds": 10,
            },
            "authentication": {"url": settings.auth_url, "probe": "/health", **identity},
            "storage": {"url": settings.storage_url, "probe": "/status", **identity},
            "realtime": {"url": settings.realtime_url, "probe": "/ws/health", **identity},
            "database": database
            | {
                "user": INSPECTOR_ROLE,
                "metrics": {"url": settings.public_url("supabase") + METRICS_PATH, "key": "service_role_key"},
            },
        },
        **_pools(settings),
        "providers": {
            "parser": {"name": "llamaparse-standin", "job_id_pattern": "^standin-"},
            "model": settings.chat_model,
            "embedding": {"name": settings.embedding_model, "dimensions": settings.embedding_dimensions},
        },
        "platform": {
            "url": f"{settings.public_url('platform')}/v1",
            "resolution_seconds": 1,
            "host": platform.MACHINE,
            "services": {name.partition("-")[2] or name: name for name in (*platform.SERVICES, platform.MACHINE)},
        },
        "edge": {
            "cache": "header:x-vercel-cache",
            "id": "header:x-vercel-id",
            "pages": ["/"],
            "forwards": list(site.FORWARDED),
            "stale_after": {"path": "/", "seconds": 2},
            "variants": [
                {"path": "/hints.json", "values": ["about=upload", "about=chat"]},
                {"path": "/hints.json?about=chat", "header": "accept-language", "values": ["en", "de"]},
            ],
            "personal": ["/visit"],
            "rewrites": {"/start": "/"},
            "middleware": "header:x-edge-middleware",
            "origin_requests": {
                "url": f"{settings.url('origin')}/requests",
                "at": "requests",
                "token": "platform_key",
            },
            "deployments": {
                "url": settings.public_url("platform"),
                "project": vercel.PROJECT,
                "token": "platform_key",
                "path": "/deployment.json",
                "identity": "json:deployment",
            },
        },
        "scaling": {
            "service": "api",
            "min": 2,
            "max": 3,
            "target": 10,  # percent: the high load takes 15 to 20 of each instance, the low one 2 to 5
            "high": 30,
            "up_within": 15,
            "down_within": 30,
            "configure": True,
            "instance_header": INSTANCE_HEADER,
        },
        "faults": {
            "control": {"url": f"{settings.url('faults')}/v1", "token": "fault_token"},
            "database": database | {"user": OPERATOR_ROLE, "password": "fault_password"},
        },
        "users": "admin-api",
        "exclusive": True,
        "sessions": {
            "refresh_reuse_seconds": settings.refresh_reuse_seconds,
            "logout_revokes_access": True,
            "jwt_survives_auth_outage": True,
        },
        "plan": {"realtime_connections": 1300, "realtime_joins_per_second": 500, "requests_per_minute": None},
        "load": {"model_bound": {"p95": 1000, "p99": 2000}},
        "capabilities": [
            "sql",
            "metrics",
            "short-lived-tokens",
            "webhook-secret",
            "admin-api",
            "destructive",
            "faults",
            "platform-api",
            "scale",
        ],
        **({"ca_file": str(tls.authority(settings))} if settings.caddy else {}),
        "secrets": SECRETS | ({"pooler_password": POOLER_PASSWORD} if settings.pgbouncer else {}),
        "thresholds": {},
    }


def _pools(settings: Settings) -> dict[str, Any]:
    """What bounds connections to the database: the pools of both API instances, and the pooler where there is one."""
    own = {"role": APPLICATION_ROLE, "application": r"^api-\d+$", "size": 2 * POOL_SIZE}
    if not settings.pgbouncer:
        return {"pool": own}
    shared = {
        "host": HOST,
        "transaction_port": settings.ports["pooler"],
        "name": DATABASE,
        "user": POOLED_ROLE,
        "password": "pooler_password",
        "pool_size": pooler.POOL_SIZE,
        "max_clients": pooler.MAX_CLIENTS,
    }
    return {"pool": own, "pooler": shared}


def _hostile(settings: Settings) -> dict[str, Any]:
    whole = describe(replace_fields(settings, hostile=""))
    services = {name: service | {"url": settings.api_url} for name, service in whole["services"].items()}
    services["realtime"]["url"] = settings.realtime_url
    del services["database"]
    for name in ("platform", "scaling", "load", "exclusive", "faults", "edge", "pool"):
        del whole[name]
    whole.pop("pooler", None)
    return whole | {"services": services, "users": "signup", "capabilities": [], "secrets": {}}


def write(settings: Settings, path: Path) -> None:
    """Write the secrets, then the descriptor, each atomically: a reader never finds half of it."""
    content = describe(settings)
    if settings.dialect:
        content = dialects.find(settings.dialect).describe(settings, content)
    values = {
        "database_password": settings.inspector_password,
        "fault_password": settings.operator_password,
        "pooler_password": settings.pooled_password,
    }
    lines = "".join(
        f"{variable}={values.get(name) or getattr(settings, name)}\n" for name, variable in content["secrets"].items()
    )
    file, secrets_file = written(path)
    replace(secrets_file, lines)
    replace(file, yaml.safe_dump(content | {"secrets_file": secrets_file.name}, sort_keys=False))
