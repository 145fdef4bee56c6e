"""The parts of the sandbox, in the order in which they start."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.settings import Settings


@dataclass(frozen=True)
class Part:
    """One process. `run` blocks until SIGTERM; `answers` are addresses that must give 200, as listener and path.

    Without a path any answer will do.
    """

    name: str
    run: Callable[[Settings], None]
    answers: tuple[tuple[str, str], ...] = ()
    ends_on: signal.Signals = signal.SIGTERM


def load() -> tuple[Part, ...]:
    """Import every part. This is most of the start-up time, so it happens once, in the process that forks them."""
    import httpcore  # noqa: F401 - as httpx does late, when each part makes its first client
    import httpcore2  # noqa: F401 - as openai's httpx2 does

    import sandbox.app.main as app
    import sandbox.frontend as frontend
    import sandbox.platform as platform
    import sandbox.stubs.main as standins
    import sandbox.supabase.main as supabase
    import sandbox.worker.main as worker

    # Workers first: the API is not healthy before one of them has shown that it lives.
    return (
        Part("worker-1", worker.run),
        Part("worker-2", worker.run),
        Part("supabase", supabase.run, (("supabase", "/auth/v1/health"), ("supabase", "/storage/v1/status"))),
        Part("providers", standins.run, (("llamaparse", ""), ("openai", ""))),
        Part("platform", platform.run, (("platform", ""),)),
        Part("api-1", app.run, (("api-1", "/health"),)),
        Part("api-2", app.run, (("api-2", "/health"),)),
        Part("frontend", frontend.run, (("frontend", "/"), ("api", "/health"))),
    )
