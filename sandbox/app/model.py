"""OpenAI through its official client: embeddings and chat, with time limits and one error for all faults."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import httpx2
import openai
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from sandbox.app import edge
from sandbox.app.circuits import Circuits
from sandbox.app.errors import Unavailable, asked_delay
from sandbox.app.fields import storable
from sandbox.settings import NO_TLS, Settings

ANSWER_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Embeddings:
    """One vector for each text, and the model's name as returned."""

    model: str
    vectors: list[list[float]]


@dataclass(frozen=True)
class Piece:
    """A part of the model's answer as it arrives."""

    model: str
    text: str


class Model:
    """The client of one process; made after the fork. Retrying is the caller's decision, so the client does none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._circuits = Circuits()
        self._client = AsyncOpenAI(
            api_key=settings.openai_key,
            base_url=settings.model_link,
            max_retries=0,
            timeout=ANSWER_SECONDS,
            http_client=httpx2.AsyncClient(
                verify=NO_TLS, trust_env=False, event_hooks={"request": [edge.pass_trace_on]}
            ),
        )

    async def close(self) -> None:
        await self._client.close()

    async def embed(self, texts: Sequence[str], seconds: float) -> Embeddings:
        """Vectors in the order of the texts; raises Unavailable."""
        async with self._circuits.to("model"):
            with _faults():
                answer = await self._client.with_options(timeout=seconds).embeddings.create(
                    model=self._settings.embedding_model,
                    input=list(texts),
                    dimensions=self._settings.embedding_dimensions,
                    encoding_format="float",
                )
                vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
            if len(vectors) != len(texts):
                raise Unavailable("model")
        return Embeddings(answer.model, vectors)

    async def answer(self, messages: Sequence[ChatCompletionMessageParam]) -> AsyncIterator[Piece]:
        """Stream the answer; raises Unavailable, also in the middle."""
        async with self._circuits.to("model"):
            with _faults():
                stream = await self._client.chat.completions.create(
                    model=self._settings.chat_model, messages=messages, stream=True, temperature=0
                )
                finished = False
                async with stream:
                    async for chunk in stream:
                        for choice in chunk.choices:
                            finished = finished or choice.finish_reason is not None
                            yield Piece(storable(chunk.model), storable(choice.delta.content or ""))
                if not finished:
                    raise Unavailable("model")


@contextmanager
def _faults() -> Iterator[None]:
    """Every fault of the provider as Unavailable; its message is logged only."""
    try:
        yield
    except openai.APIStatusError as error:
        logging.warning("model answered %s %s", error.status_code, error.code)
        raise Unavailable(
            "model", asked_delay(error.response.headers), lasting=error.code == "insufficient_quota"
        ) from error
    except (openai.OpenAIError, httpx2.HTTPError, ValueError, TypeError, AttributeError) as error:
        # The last two: something else than the model answered, which the client does not check.
        raise Unavailable("model") from error
