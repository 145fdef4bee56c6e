"""Statuses of a job, and their progress."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel

from sandbox.app.fields import Percent, described

JobState = Literal["queued", "working", "retryable", "done", "deadletter"]
FINAL_STATES: Final = ("done", "deadletter")
TOTAL: Final = {
    "uploaded": 5,
    "failed_parse": 5,
    "parse_queued": 10,
    "parsed": 30,
    "parse_validated": 35,
    "failed_chunking": 35,
    "chunking": 40,
    "chunks_stored": 50,
    "failed_embedding": 50,
    "embedding_queued": 55,
    "embedding_in_progress": 60,
    "embeddings_stored": 95,
    "complete": 100,
}
JobStatus = Annotated[str, described(enum=list(TOTAL))]
ENDED: Final = ("uploaded", "parsed", "parse_validated", "chunks_stored", "embeddings_stored", "complete")


class Progress(BaseModel):
    """Percentages: of the current status, and in total."""

    status_pct: Percent
    total_pct: Percent


def progress(status: str) -> Progress:
    return Progress(status_pct=100 if status in ENDED else 0, total_pct=TOTAL[status])
