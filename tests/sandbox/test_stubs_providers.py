"""The stubs through the providers' official clients, which define the wire format."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Literal

import llama_cloud
import openai
import pytest
import uvicorn
from fpdf import FPDF
from llama_cloud.types.parsing_create_params import WebhookConfiguration
from llama_cloud.types.parsing_get_response import ParsingGetResponse
from starlette.types import ASGIApp

from sandbox.settings import Settings, reserve
from sandbox.stubs import llamaparse
from sandbox.stubs import openai as openai_stub

SETTINGS = Settings(directory=Path("/nowhere"), ports={}, build="test")
CONTEXT = "Answer from these.\n[1] a.pdf: The Kestrel plan pays 1250 euros for glasses.\n[2] b.pdf: Owls sleep by day."


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """An application on a free port, in a thread."""
    sock = reserve()
    sock.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


class Receiver(HTTPServer):
    """Takes webhooks; answers with the statuses given, the last one from then on."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = list(statuses)
        self.received: list[tuple[str | None, bytes]] = []
        self.enough = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((self.headers["LC-Signature"], body))
        status = self.server.statuses.pop(0) if len(self.server.statuses) > 1 else self.server.statuses[0]
        self.send_response(status)
        self.end_headers()
        if status < 300:
            self.server.enough.set()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def parser() -> Iterator[llama_cloud.LlamaCloud]:
    with served(llamaparse.application("parse-key")) as url:
        yield llama_cloud.LlamaCloud(api_key="parse-key", base_url=url, max_retries=0)


@pytest.fixture(scope="module")
def model() -> Iterator[openai.OpenAI]:
    with served(openai_stub.application(SETTINGS)) as url:
        yield openai.OpenAI(api_key=SETTINGS.openai_key, base_url=f"{url}/v1", max_retries=0)


def pdf(*pages: str) -> bytes:
    document = FPDF()
    document.set_font("Helvetica", size=12)
    for page in pages:
        document.add_page()
        document.multi_cell(0, text=page)
    return bytes(document.output())


def parsed(client: llama_cloud.LlamaCloud, data: bytes, *hooks: WebhookConfiguration) -> ParsingGetResponse:
    upload = ("a document.pdf", data, "application/pdf")
    job = client.parsing.create(tier="fast", version="latest", upload_file=upload, webhook_configurations=hooks)
    client.parsing.wait_for_completion(job.id, polling_interval=0.02, timeout=10)
    return client.parsing.get(job.id, expand=["markdown", "job_metadata"])


def test_pages_come_back_in_order_from_a_parser_that_names_itself(parser: llama_cloud.LlamaCloud) -> None:
    result = parsed(parser, pdf("Swans nest early.", "Storks arrive late."))
    assert result.job.id.startswith("standin-")
    assert result.markdown
    assert [page.page_number for page in result.markdown.pages] == [1, 2]
    assert [getattr(page, "markdown", None) for page in result.markdown.pages] == [
        "Swans nest early.",
        "Storks arrive late.",
    ]
    assert result.job_metadata == {"parser": "llamaparse-standin"}


def test_a_refusal_is_a_failed_job_with_code_and_sentence(parser: llama_cloud.LlamaCloud) -> None:
    job = parser.parsing.create(
        tier="fast", version="latest", upload_file=("x.pdf", b"MZ\x00\x90 executable", "application/pdf")
    )
    while (result := parser.parsing.get(job.id, expand=["markdown"])).job.status in ("PENDING", "RUNNING"):
        time.sleep(0.02)
    assert (result.job.status, result.job.error_message) == ("FAILED", "not_a_pdf: This document is not a PDF.")
    assert result.markdown is None


@pytest.mark.parametrize("output_format", ["json", "string"])
def test_the_webhook_is_signed_over_its_body(
    parser: llama_cloud.LlamaCloud, output_format: Literal["json", "string"]
) -> None:
    receiver = Receiver(200)
    hook: WebhookConfiguration = {
        "webhook_url": receiver.url,
        "webhook_signing_secret": "s3",
        "webhook_output_format": output_format,
    }
    result = parsed(parser, pdf("Herons fish at dawn."), hook)
    assert receiver.enough.wait(10)
    [(signature, body)] = receiver.received
    assert signature == f"sha256={hmac.new(b's3', body, hashlib.sha256).hexdigest()}"
    event = json.loads(body) if output_format == "json" else json.loads(json.loads(body))
    assert (event["event_type"], event["data"]["job_id"]) == ("parse.success", result.job.id)
    receiver.shutdown()


def test_a_webhook_that_is_not_taken_is_sent_again(parser: llama_cloud.LlamaCloud) -> None:
    receiver = Receiver(503, 200)
    other = Receiver(200)
    hooks: list[WebhookConfiguration] = [
        {"webhook_url": receiver.url},
        {"webhook_url": other.url, "webhook_events": ["parse.error"]},
    ]
    parsed(parser, pdf("Herons fish at dusk."), *hooks)
    assert receiver.enough.wait(10)
    assert len(receiver.received) == 2
    assert receiver.received[0] == receiver.received[1]
    assert receiver.received[0][0] is None
    assert not other.received
    receiver.shutdown()
    other.shutdown()


def test_the_parser_refuses_a_wrong_key_and_knows_no_other_job(parser: llama_cloud.LlamaCloud) -> None:
    with pytest.raises(llama_cloud.NotFoundError):
        parser.parsing.get("standin-unknown")
    with pytest.raises(llama_cloud.AuthenticationError):
        parser.with_options(api_key="wrong").parsing.get("standin-unknown")


def test_a_multipart_form_keeps_every_byte() -> None:
    content = bytes(range(256)) * 3 + b"\r\n--not the boundary\r\n"
    body = io.BytesIO()
    for name, value in (("configuration", b'{"tier": "fast"}'), ("file", content)):
        body.write(b'--edge\r\nContent-Disposition: form-data; name="%s"; filename="name"\r\n\r\n' % name.encode())
        body.write(value + b"\r\n")
    body.write(b"--edge--\r\n")
    parts = llamaparse.multipart("multipart/form-data; boundary=edge", body.getvalue())
    assert parts == {"configuration": b'{"tier": "fast"}', "file": content}
    assert llamaparse.multipart("text/plain", b"anything") == {}


def test_embeddings_are_the_same_in_both_encodings(model: openai.OpenAI) -> None:
    texts = ["Owls sleep by day.", "Ferries sail at noon."]
    default = model.embeddings.create(model="standin-embedding-256", input=texts)  # the client asks for base64
    floats = model.embeddings.create(model="standin-embedding-256", input=texts, encoding_format="float")
    assert default.model == "standin-embedding-256"
    assert [entry.index for entry in default.data] == [0, 1]
    for one, other in zip(default.data, floats.data, strict=True):
        assert len(one.embedding) == 256
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert default.usage.total_tokens > 0
    short = model.embeddings.create(model="standin-embedding-256", input=texts[0], dimensions=64)
    assert len(short.data[0].embedding) == 64


def test_chat_answers_whole_and_streamed_alike(model: openai.OpenAI) -> None:
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [
        {"role": "system", "content": CONTEXT},
        {"role": "user", "content": "How much does the Kestrel plan pay for glasses?"},
    ]
    whole = model.chat.completions.create(model="standin-chat-1", messages=messages)
    assert whole.model == "standin-chat-1"
    assert whole.choices[0].message.content == "The Kestrel plan pays 1250 euros for glasses. [1]"
    chunks = list(
        model.chat.completions.create(
            model="standin-chat-1", messages=messages, stream=True, stream_options={"include_usage": True}
        )
    )
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert streamed == whole.choices[0].message.content
    assert sum(1 for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason == "stop") == 1
    assert chunks[-1].usage == whole.usage


def test_errors_have_the_shape_that_the_client_understands(model: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as unauthorised:
        model.with_options(api_key="wrong").embeddings.create(model="standin-embedding-256", input="x")
    assert unauthorised.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as unknown:
        model.embeddings.create(model="text-embedding-3-small", input="x")
    assert unknown.value.code == "model_not_found"
    for nonsense in ("", [], ["", "x"]):
        with pytest.raises(openai.BadRequestError) as refused:
            model.embeddings.create(model="standin-embedding-256", input=nonsense)
        assert refused.value.param == "input"
    with pytest.raises(openai.BadRequestError):
        model.embeddings.create(model="standin-embedding-256", input="x", dimensions=257)
    with pytest.raises(openai.BadRequestError):
        model.chat.completions.create(model="standin-chat-1", messages=[])
    with pytest.raises(openai.NotFoundError):
        model.models.list()
