"""OpenAI's embeddings and chat completions on the wire, as its official client speaks it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import struct
import time
import uuid
from collections.abc import Iterator
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.serving import has_bearer
from sandbox.settings import Settings
from sandbox.stubs import answering, embedding

_MOST_INPUTS: Final = 2048


class RequestError(Exception):
    """An error in OpenAI's shape."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        self.status = status
        kind = "server_error" if status >= 500 else "invalid_request_error"
        self.error = {"message": message, "type": kind, "param": param, "code": code}


def application(settings: Settings) -> Starlette:
    """The stub's HTTP application."""
    service = Service(settings)
    routes = [
        Route("/v1/embeddings", service.embeddings, methods=["POST"]),
        Route("/v1/chat/completions", service.chat, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={RequestError: _refuse, HTTPException: _unknown_url})


class Service:
    """The two endpoints."""

    def __init__(self, settings: Settings) -> None:
        self._key = settings.openai_key
        self._chat_model = settings.chat_model
        self._embedding_model = settings.embedding_model

    async def embeddings(self, request: Request) -> Response:
        body = await self._read(request, self._embedding_model)
        inputs = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
        if not isinstance(inputs, list) or not 0 < len(inputs) <= _MOST_INPUTS:
            raise RequestError(400, f"'input' has to be a text or 1 to {_MOST_INPUTS} texts.", param="input")
        if not all(isinstance(text, str) and text for text in inputs):
            raise RequestError(400, "Every 'input' has to be a text that is not empty.", param="input")
        dimensions = body.get("dimensions", embedding.DIMENSIONS)
        if not isinstance(dimensions, int) or not 0 < dimensions <= embedding.DIMENSIONS:
            raise RequestError(400, f"'dimensions' has to be 1 to {embedding.DIMENSIONS}.", param="dimensions")
        vectors = await asyncio.to_thread(lambda: [embedding.embed(text, dimensions) for text in inputs])
        encode = as_base64 if body.get("encoding_format") == "base64" else list
        data = [{"object": "embedding", "index": n, "embedding": encode(vector)} for n, vector in enumerate(vectors)]
        spent = sum(map(tokens, inputs))
        usage = {"prompt_tokens": spent, "total_tokens": spent}
        return JSONResponse({"object": "list", "model": self._embedding_model, "data": data, "usage": usage})

    async def chat(self, request: Request) -> Response:
        body = await self._read(request, self._chat_model)
        messages = read_messages(body)
        text = await asyncio.to_thread(reply, messages)
        asked, answered = sum(tokens(content) for _, content in messages), tokens(text)
        usage = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
        head = {"id": f"chatcmpl-standin-{uuid.uuid4().hex}", "created": int(time.time()), "model": self._chat_model}
        if body.get("stream"):
            wanted = usage if (body.get("stream_options") or {}).get("include_usage") else None
            return StreamingResponse(stream(head, text, wanted), media_type="text/event-stream")
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage})

    async def _read(self, request: Request, model: str) -> dict[str, Any]:
        if not has_bearer(request, self._key):
            raise RequestError(401, "Incorrect API key provided.", code="invalid_api_key")
        try:
            body = json.loads(await request.body())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise RequestError(400, "The body of the request is not a JSON object.")
        if body.get("model") != model:
            raise RequestError(404, f"The model '{body.get('model')}' does not exist.", "model_not_found", "model")
        return body


def read_messages(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Role and text of each message; the last one is the user's."""
    try:
        messages = [(str(message["role"]), content(message["content"])) for message in body["messages"]]
    except (KeyError, TypeError):
        raise RequestError(400, "'messages' has to be a list of role and content.", param="messages") from None
    if not messages or messages[-1][0] != "user" or not messages[-1][1].strip():
        raise RequestError(400, "The last of 'messages' has to be a user's question.", param="messages")
    return messages


def content(value: str | list[dict[str, str]]) -> str:
    """A message's text, which may come in parts."""
    return value if isinstance(value, str) else "\n".join(part["text"] for part in value)


def reply(messages: list[tuple[str, str]]) -> str:
    """The answer to the last question from the context in the system messages."""
    context = "\n".join(text for role, text in messages if role in ("system", "developer"))
    return answering.answer(context, [text for role, text in messages if role == "user"])


def stream(head: dict[str, Any], text: str, usage: dict[str, int] | None) -> Iterator[str]:
    """The answer as Server-Sent Events, a few words at a time."""
    pieces = re.findall(r"(?:\s*\S+){1,3}\s*", text)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces), {}]
    chunk = {**head, "object": "chat.completion.chunk"}
    for delta in deltas:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None if delta else "stop"}
        yield f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\n"
    if usage:
        yield f"data: {json.dumps({**chunk, 'choices': [], 'usage': usage})}\n\n"
    yield "data: [DONE]\n\n"


def tokens(text: str) -> int:
    """About as many tokens as a real model would count."""
    return len(re.findall(r"\w{1,5}|[^\w\s]", text))


def as_base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return JSONResponse({"error": error.error}, error.status)


async def _unknown_url(request: Request, _: Exception) -> Response:
    return await _refuse(request, RequestError(404, f"Invalid URL ({request.method} {request.url.path})"))
