"""The tables of docs/writing-suites.md that come from data: `python docs/tables.py` writes them anew."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "libraries")]

from acceptance.deployment.contract import CONTRACT, Contract, read_contract  # noqa: E402
from acceptance.fixtures.documents import Complete, Expectation, Failed, Limits, catalogue, make  # noqa: E402
from pypdf import PdfReader  # noqa: E402
from pypdf.errors import PyPdfError  # noqa: E402

from sandbox.settings import Settings  # noqa: E402

PAGE = PROJECT / "docs" / "writing-suites.md"
logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells what is wrong with documents that are wrong
SANDBOX = Settings(PROJECT, {}, "")


def with_tables(page: str) -> str:
    """The page with the present tables between the comments that name them."""
    contract = read_contract(CONTRACT)
    for name, lines in {
        "documents": documents(contract.limits.filename_characters),
        "names": names(contract),
        "limits": limits(),
    }.items():
        place = re.compile(f"(?<=<!-- {name} -->\n).*?(?=<!-- end of {name} -->)", re.DOTALL)
        text = "".join(f"{line}\n" for line in lines)
        page, found = place.subn(text.replace("\\", r"\\"), page)
        if found != 1:
            raise ValueError(f"{PAGE.name}: expected one place for the table '{name}', found {found}")
    return page


def documents(filename_characters: int) -> Iterator[str]:
    """The catalogue: how long each document is, how many facts it has, and what becomes of it."""
    yield "| name | length | facts | becomes | |"
    yield "|---|---|---|---|---|"
    for name, entry in catalogue().entries.items():
        made = make(name, "table", Limits(SANDBOX.max_file_size, filename_characters))
        facts = len(made.handbook.facts) if entry.complete and made.handbook else "none"
        yield f"| `{name}` | {length(made.data)} | {facts} | {outcome(entry.expectation)} | {entry.about} |"


def length(data: bytes) -> str:
    """Pages of what can be read; the size of anything else, and of what is large."""
    if len(data) > 1_000_000:
        return f"{len(data) / 1e6:.1f} MB"
    if len(data) < 1000:
        return f"{len(data)} bytes"
    try:
        pages = len(PdfReader(io.BytesIO(data)).pages)
    except (PyPdfError, ValueError):
        return f"{len(data) / 1000:.0f} kB"
    return f"{pages} page{'s' if pages > 1 else ''}"


def outcome(expected: Expectation) -> str:
    """What becomes of a document, in the words that a test compares with."""
    if isinstance(expected, Complete):
        return "complete"
    if isinstance(expected, Failed):
        return f"`{expected.status}`, code `{expected.code}`"
    return f"refused: `{expected.error}`"


def names(contract: Contract) -> Iterator[str]:
    """What the contract calls statuses, states and refusals."""
    jobs = contract.jobs
    refusals = {name: value for name, value in contract.errors if isinstance(value, int)}
    credentials = contract.refusals["owner"]
    yield f"* **Statuses of a job**, in order: {_listed(jobs.statuses)}; of a failed one {_listed(jobs.failures)}."
    yield f"* **States**: {_listed(jobs.states)}; a job has ended in {_listed(jobs.final_states)}."
    yield f"* **Refusals** for `expected=`: {_with_status(refusals)}."
    yield f"* **Kinds of credential** for `expected=`: {_with_status(credentials)}; a route may differ (`refuses`)."
    yield f"* **Reasons to close a WebSocket** (`realtime.close.…`): {_with_status(dict(contract.realtime.close))}."


def limits() -> Iterator[str]:
    """What the sandbox allows, and a fast test can run into."""
    yield (
        f"The sandbox allows a user {SANDBOX.max_concurrent_jobs_per_user} jobs at once and"
        f" {SANDBOX.max_uploads_per_day_per_user:,} uploads a day, documents of {SANDBOX.max_file_size:,} bytes,"
        f" and {SANDBOX.signed_url_ttl_seconds} s between `Announce Upload` and `Send Bytes`;"
        " `Call Route    limits` tells what a deployment allows."
    )


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _with_status(named: dict[str, int]) -> str:
    return ", ".join(f"`{name}` {status}" for name, status in named.items())


def main() -> int:
    """Write the tables anew."""
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
