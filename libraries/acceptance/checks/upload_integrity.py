"""INT-05: stored bytes, announced fields and reported times of an upload."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from acceptance.errors import violation
from acceptance.run import Run
from acceptance.uploads import Upload, listed_documents


async def whole(run: Run, upload: Upload) -> None:
    """The stored bytes are those that were sent, and its owner reads what was announced.

    Raises:
        AssertionError: the bytes, the name, size, type or hash are others, or the list does not show it exactly once.
    """
    token, payload = upload.owner.access_token, upload.payload
    path = {"document_id": upload.document_id}
    content = await run.client.call("document_content", path=path, token=token)
    stored = hashlib.sha256(content.content).hexdigest()
    if stored != payload.sha256:
        raise violation(
            f"stored bytes of '{payload.filename}'", look=content.look,
            expected=f"{len(payload.data)} bytes with SHA-256 {payload.sha256}",
            observed=f"{len(content.content)} bytes with {stored}",
        )  # fmt: skip
    sent_as = content.headers.get("content-type", "none").partition(";")[0]
    if sent_as != payload.mime:
        raise violation(f"type of '{payload.filename}'", expected=payload.mime, observed=sent_as, look=content.look)
    status = await run.client.call("document_status", path=path, token=token)
    known = {word: value for word, value in (payload.announcement() | path).items() if word in status.paths}
    for word, value in known.items():
        if status[word] != value:
            raise violation(
                f"{word} of '{payload.filename}'", expected=repr(value), observed=repr(status[word]), look=status.look
            )
    names = [
        entry["filename"]
        for entry in await listed_documents(run, upload.owner)
        if entry["document_id"] == upload.document_id
    ]
    if names != [payload.filename]:
        raise violation(f"documents with identifier {upload.document_id}", expected=[payload.filename], observed=names)


def clock_difference(upload: Upload, timestamp: str) -> float:
    """Seconds between the announcement of an upload by our clock and a time that the deployment reports.

    Raises:
        AssertionError: the text is no time with a time zone.
    """
    announced = datetime.now(UTC) - timedelta(seconds=time.monotonic() - upload.started)
    try:
        difference = datetime.fromisoformat(timestamp) - announced
    except (ValueError, TypeError):
        expected = f"a time with time zone, about {announced.isoformat(timespec='seconds')}"
        raise violation(f"time of '{upload.payload.filename}'", expected=expected, observed=repr(timestamp)) from None
    return abs(difference.total_seconds())


def _plain(value: Any) -> Any:
    """A value of the database as JSON has it: identifiers as text."""
    return value if isinstance(value, int) else str(value)
