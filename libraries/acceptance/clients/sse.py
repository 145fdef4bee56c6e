"""Server-Sent Events (SSE) client of the contract: the frames of a WebSocket over HTTP streams."""

from __future__ import annotations

import asyncio
import codecs
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import httpx
import httpx_sse

from acceptance.clients.body import UnreadableError
from acceptance.clients.http import ERROR_EVENT, ContractClient
from acceptance.clients.websocket import FrameShape, Subject, Subscription, frame_of, frame_shape


class EventStreams:
    """Subscribes to jobs and workflows over SSE; leaving a stream closes it.

    A refused stream ends with its HTTP status as `closed`, an ended one with 0.
    """

    def __init__(self, client: ContractClient) -> None:
        self._client = client

    @cached_property
    def _shape(self) -> FrameShape:
        return frame_shape(self._client.contract)

    def job(
        self, job_id: str, token: str | None, *, after: int | None = None
    ) -> AbstractAsyncContextManager[Subscription]:
        """The events of a job; `after` replays the events later than that sequence number."""
        return self.channel("job", job_id, token, after=after)

    def workflow(
        self, workflow_id: str, token: str | None, *, after: int | None = None
    ) -> AbstractAsyncContextManager[Subscription]:
        """The events of a workflow."""
        return self.channel("workflow", workflow_id, token, after=after)

    @asynccontextmanager
    async def channel(
        self, subject: Subject, key: str, token: str | None, *, after: int | None = None
    ) -> AsyncIterator[Subscription]:
        """The events of a job or a workflow."""
        route = "job_events" if subject == "job" else "workflow_stream"
        path = {f"{subject}_id": key}
        subscription = Subscription(f"SSE {route} {key}", subject, key)
        query = {self._client.contract.realtime.after_parameter: after} if after is not None else None
        async with self._client.stream(route, path=path, token=token, query=query) as response:
            if response.status_code != self._client.contract.route(route).success:
                subscription.end(response.status_code, await self._reason(route, response))
                yield subscription
                return
            subscription.opened = time.time()
            reader = asyncio.create_task(self._read(route, subscription, response))
            try:
                yield subscription
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)

    async def _read(self, route: str, subscription: Subscription, response: httpx.Response) -> None:
        reason = ""
        source = httpx_sse.EventSource(cast(httpx.Response, _Text(response.headers, self._client.parts_of(response))))
        try:
            async for event in source.aiter_sse():
                if event.event == ERROR_EVENT:
                    self._client.journal_event(route, response, event.data)
                subscription.add(frame_of(event.data, self._shape))
                if subscription.problem:
                    break
        except UnreadableError as error:
            subscription.problem = f"{error}"
        except Exception as error:  # noqa: BLE001  # reported by the subscription that waits
            reason = f"{type(error).__name__}: {error}"
        subscription.end(0, reason)

    async def _reason(self, route: str, response: httpx.Response) -> str:
        text = b"".join([part async for part in self._client.parts_of(response)]).decode("utf-8", "replace")
        self._client.journal_stream(route, response, text)
        return text[:200]


@dataclass(frozen=True)
class _Text:
    """An event stream as httpx-sse reads it: always UTF-8, without the byte order mark that it may begin with."""

    headers: httpx.Headers
    parts: AsyncIterator[bytes]

    async def aiter_text(self) -> AsyncIterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        async for part in self.parts:
            if text := decoder.decode(part):
                yield text
