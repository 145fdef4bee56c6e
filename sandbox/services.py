"""The services of the sandbox, in the order in which they start."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.settings import OVER_TLS, SPARE_INSTANCES, Settings


@dataclass(frozen=True)
class Service:
    """One process of the sandbox.

    Args:
        name: of the process, its log and its metrics.
        run: blocks until SIGTERM.
        answers: addresses that must respond before the service is ready, as listener and path: with 200, or in any
            way without a path; None in its place: that take connections.
        ends_on: the signal that ends it.
    """

    name: str
    run: Callable[[Settings], None]
    answers: tuple[tuple[str, str | None], ...] = ()
    ends_on: signal.Signals = signal.SIGTERM


def load(settings: Settings) -> tuple[Service, ...]:
    """Import every service that there is.

    This is most of the start-up time, so it happens once, in the process that forks them.
    """
    import httpcore  # noqa: F401 - httpx imports it late, with the first client of each service
    import httpcore2  # noqa: F401 - so does openai's httpx2
    import uvloop  # noqa: F401 - the links run on it

    import sandbox.app.main as app
    import sandbox.faults.control as faults
    import sandbox.frontend as frontend
    import sandbox.platform as platform
    import sandbox.pooler as pooler
    import sandbox.stubs.main as stubs
    import sandbox.supabase.main as supabase
    import sandbox.tls as tls
    import sandbox.worker.main as worker

    # The links first, since all others connect through them; then workers: the API is not healthy before the heartbeat
    # of one of them.
    return (
        Service("faults", faults.run, (("faults", ""),)),
        *([Service("pooler", pooler.run, (("pooler", None),))] if settings.pgbouncer else []),
        Service("worker-1", worker.run),
        Service("worker-2", worker.run),
        Service("supabase", supabase.run, (("supabase", "/auth/v1/health"), ("supabase", "/storage/v1/status"))),
        Service("providers", stubs.run, (("llamaparse", ""), ("openai", ""))),
        Service("platform", platform.run, (("platform", ""),)),
        Service("api-1", app.run, (("api-1", "/health"),)),
        Service("api-2", app.run, (("api-2", "/health"),)),
        *(Service(name, app.run) for name in SPARE_INSTANCES),
        Service("frontend", frontend.run, (("frontend", "/"), ("api", "/health"))),
        *([Service("tls", tls.run, tuple((name, None) for name in OVER_TLS.values()))] if settings.caddy else []),
    )
