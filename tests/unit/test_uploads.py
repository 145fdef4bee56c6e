"""Lists are read whole, page by page, and a list that does not hold what it says it does is found out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from acceptance.clients.http import ContractClient
from acceptance.deployment.contract import Contract
from acceptance.fixtures.users import User
from acceptance.run import Run
from acceptance.uploads import listed_documents, listed_jobs, status_of_headers_alone

from tests.unit.conftest import Serve

ClientAt = Callable[[str], ContractClient]
SOMEBODY = User("somebody@example.com", "password", access_token="token")
SOME = "9b2c0f6e-7c1c-4f0d-9d52-1c4a4a0f8a11"
JOB = {"job_id": SOME, "document_id": SOME, "status": "complete", "state": "done"}


def _run(contract: Contract, client: ContractClient) -> Run:
    return cast(Run, SimpleNamespace(contract=contract, client=client))


def _page(jobs: list[dict[str, Any]], total: int, *, more: bool = False) -> dict[str, Any]:
    return {"jobs": jobs, "pagination": {"limit": 20, "offset": 0, "total": total, "has_more": more}}


def test_a_list_shows_its_entries_by_our_words(serve: Serve, client_at: ClientAt, contract: Contract) -> None:
    run = _run(contract, client_at(serve(200, _page([JOB | {"more": 1}], 1))))
    assert asyncio.run(listed_jobs(run, SOMEBODY)) == [JOB]


@pytest.mark.parametrize("page", [_page([JOB], 2), _page([], 1), _page([JOB, JOB], 1), _page([], 0, more=True)])
def test_a_list_that_is_not_what_it_says_is_a_violation(
    serve: Serve, client_at: ClientAt, contract: Contract, page: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError, match=r"expected \d jobs in all pages"):
        asyncio.run(listed_jobs(_run(contract, client_at(serve(200, page))), SOMEBODY))


def test_an_entry_without_a_field_is_a_violation(serve: Serve, client_at: ClientAt, contract: Contract) -> None:
    run = _run(contract, client_at(serve(200, {"documents": [{"document_id": SOME, "filename": "a.pdf"}]})))
    with pytest.raises(AssertionError, match=r"documents\.0 of documents: expected a field 'status'"):
        asyncio.run(listed_documents(run, SOMEBODY))


def test_headers_alone_are_answered_or_not() -> None:
    async def serve_once(response: bytes) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(response)
            if not response:
                await reader.read()
            writer.close()

        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await status_of_headers_alone(f"http://127.0.0.1:{port}/a?b=c", 10, within=0.3)

    assert asyncio.run(serve_once(b"HTTP/1.1 422 Unprocessable\r\n\r\n")) == 422
    for response in (b"", b"HTTP/1.1\r\n\r\n"):
        with pytest.raises(AssertionError, match="an answer to the headers alone"):
            asyncio.run(serve_once(response))
