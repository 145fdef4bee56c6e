"""Circuit breakers before the providers: one that has failed several times in a row is left alone for a moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import ExcludeType, OpenedState

from sandbox.app.errors import Unavailable

FAILURES: Final = 5
OPEN_SECONDS: Final = 1.5
OTHER_ERRORS: Final[ExcludeType] = [(BaseException, lambda error: not isinstance(error, Unavailable))]
"""What does not count as a failure of the provider: refusals, and calls that are no longer wanted."""


class Circuits:
    """The circuits of one process, by the name of the service behind each."""

    def __init__(self) -> None:
        self._circuits = AsyncCircuitBreakerFactory(FAILURES, OPEN_SECONDS, exclude=OTHER_ERRORS)

    @asynccontextmanager
    async def to(self, service: str) -> AsyncIterator[None]:
        """Around a call; raises Unavailable at once while the circuit is open."""
        circuit = await self._circuits.get_breaker(service)
        try:
            async with circuit:
                yield
        except OpenedState as error:
            raise Unavailable(service) from error
