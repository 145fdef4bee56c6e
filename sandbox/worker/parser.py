"""LlamaParse through its official client: submit documents, fetch results, distinguish refusals from faults."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx
import llama_cloud
from llama_cloud import AsyncLlamaCloud
from llama_cloud.types.parsing_get_response import MarkdownPageMarkdownResultPage, ParsingGetResponse

from sandbox.app import edge
from sandbox.app.circuits import Circuits
from sandbox.app.errors import Unavailable, asked_delay
from sandbox.app.fields import storable
from sandbox.settings import Settings

UPLOAD_SECONDS: Final = 30.0
ASK_SECONDS: Final = 10.0
PAGE_BREAK: Final = "\n\n"
REFUSALS: Final = {
    "empty_document": "This document is empty.",
    "not_a_pdf": "This document is not a PDF.",
    "damaged_document": "This document is damaged and could not be read.",
    "encrypted_document": "This document is encrypted with a password. Please upload it without one.",
    "no_text_found": "No text was found in this document. Scanned pages and pictures cannot be read.",
}
"""Messages for the user; the parser's own are logged."""


@dataclass(eq=False)
class Refused(Exception):
    """The document cannot be processed; a retry would not help."""

    code: str
    message: str


class Forgotten(Exception):
    """The parser does not know the document any more."""


@dataclass(frozen=True)
class Parsed:
    """The text, and the parser's name as returned."""

    text: str
    parser: str | None


class Parser:
    """The client of one process; made after the fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._circuits = Circuits()
        self._client = AsyncLlamaCloud(
            api_key=settings.llamaparse_key,
            base_url=settings.parser_link,
            max_retries=0,
            http_client=edge.client(timeout=ASK_SECONDS),
        )

    async def close(self) -> None:
        await self._client.close()

    async def submit(self, job_id: UUID, filename: str, content: bytes, mime: str, ocr: bool) -> str:
        """Submit a document; returns the parser's identifier. Raises Unavailable or Refused."""
        webhook = f"{self._settings.webhook_link}{self._settings.parser_webhook}/{job_id}"
        async with self._circuits.to("parser"), _faults():
            job = await self._client.parsing.create(
                tier="agentic" if ocr else "cost_effective",
                version="latest",
                upload_file=(filename, content, mime),
                webhook_configurations=[
                    {
                        "webhook_url": webhook,
                        "webhook_events": ["parse.success", "parse.error"],
                        "webhook_output_format": "json",
                        "webhook_signing_secret": self._settings.webhook_secret,
                    }
                ],
                timeout=UPLOAD_SECONDS,
            )
            return checked(job.id)

    async def result(self, parser_job_id: str) -> Parsed | None:
        """The result; None while it is not ready. Raises Unavailable, Refused or Forgotten."""
        async with self._circuits.to("parser"), _faults():
            try:
                answer = await self._client.parsing.get(parser_job_id, expand=["markdown", "job_metadata"])
            except llama_cloud.NotFoundError:
                raise Forgotten from None
            if answer.job.status in ("PENDING", "RUNNING"):
                return None
            if answer.job.status == "COMPLETED" and answer.markdown:
                return Parsed(text_of(answer), name_of(answer))
            if answer.job.status in ("FAILED", "CANCELLED"):
                raise refusal(answer.job.error_message or "")
            raise Unavailable("parser")


def checked(parser_job_id: Any) -> str:
    """The parser's identifier; the client does not check what answered."""
    if not isinstance(parser_job_id, str) or not parser_job_id:
        raise Unavailable("parser")
    return parser_job_id


def text_of(answer: ParsingGetResponse) -> str:
    """The pages as one text, without characters that the database refuses."""
    assert answer.markdown
    pages = [page.markdown for page in answer.markdown.pages if isinstance(page, MarkdownPageMarkdownResultPage)]
    return storable(PAGE_BREAK.join(pages))


def name_of(answer: ParsingGetResponse) -> str | None:
    """The parser's name of itself."""
    name: Any = (answer.job_metadata or {}).get("parser")
    return storable(str(name)) if name else None


def refusal(message: str) -> Refused:
    """The parser's reason as a message for the user."""
    logging.warning("parser refused: %.200s", message)
    known = (code for code in REFUSALS if code in message)
    code = next(known, "damaged_document")
    return Refused(code, REFUSALS[code])


@asynccontextmanager
async def _faults() -> AsyncIterator[None]:
    """A request that the parser refuses is the document's fault; every other fault is temporary."""
    try:
        yield
    except (llama_cloud.BadRequestError, llama_cloud.UnprocessableEntityError) as error:
        raise refusal(str(error.body)) from error
    except llama_cloud.APIStatusError as error:
        raise Unavailable("parser", asked_delay(error.response.headers)) from error
    except (llama_cloud.LlamaCloudError, httpx.HTTPError, ValueError, TypeError, AttributeError) as error:
        # The last two: something else than the parser answered, which the client does not check.
        raise Unavailable("parser") from error
