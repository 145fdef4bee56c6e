"""The events of the contract as Server-Sent Events: the same frames as over a WebSocket, on the other channel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx_sse

from acceptance.clients.http import ContractClient
from acceptance.clients.websocket import Subscription, frame_of


class EventStreams:
    """Subscribes to jobs and workflows of the contract; leaving a stream closes it.

    A stream that is refused ends with that HTTP status as `closed`, one that breaks off with 0.
    """

    def __init__(self, client: ContractClient) -> None:
        self._client = client

    @asynccontextmanager
    async def job(self, job_id: str, token: str | None, *, after: int | None = None) -> AsyncIterator[Subscription]:
        """The events of a job; `after` replays what came later than that sequence number."""
        async with self._events("job_events", {"job_id": job_id}, token, after) as subscription:
            yield subscription

    @asynccontextmanager
    async def workflow(
        self, workflow_id: str, token: str | None, *, after: int | None = None
    ) -> AsyncIterator[Subscription]:
        """The events of a workflow."""
        async with self._events("workflow_stream", {"workflow_id": workflow_id}, token, after) as subscription:
            yield subscription

    @asynccontextmanager
    async def _events(
        self, route: str, path: dict[str, str], token: str | None, after: int | None
    ) -> AsyncIterator[Subscription]:
        subscription = Subscription(f"Server-Sent Events {route} {next(iter(path.values()))}")
        query = {self._client.contract.realtime.after_parameter: after} if after is not None else None
        async with self._client.stream(route, path=path, token=token, query=query) as response:
            if response.status_code != self._client.contract.route(route).success:
                await response.aread()
                subscription.end(response.status_code, response.text[:200])
                yield subscription
                return
            subscription.opened = time.time()
            reader = asyncio.create_task(_read_events(subscription, httpx_sse.EventSource(response)))
            try:
                yield subscription
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)


async def _read_events(subscription: Subscription, source: httpx_sse.EventSource) -> None:
    reason = ""
    try:
        async for event in source.aiter_sse():
            subscription.add(frame_of(event.data))
    except Exception as error:  # noqa: BLE001  # whatever ends the stream is told to whoever waits for it
        reason = f"{type(error).__name__}: {error}"
    subscription.end(0, reason)
