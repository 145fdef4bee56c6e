"""Every error answer of the run, as it came: what ERR-09 and a person who looks for the cause read."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from acceptance.redaction.redactor import Redactor

KEPT = 4096  # characters of a body


@dataclass(frozen=True)
class ErrorResponse:
    """One answer with status 400 or above."""

    method: str
    url: str
    status: int
    body: str
    request_id: str


class ErrorLog:
    """Keeps error answers, redacted, in memory and (after `write_to`) as JSON lines."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._lock = threading.Lock()
        self._path: Path | None = None
        self.answers: list[ErrorResponse] = []

    def write_to(self, path: Path) -> None:
        """Append to this file from now on; what came before is written first."""
        with self._lock:
            self._path = path
            for response in self.answers:
                self._append(response)

    def record(self, *, method: str, url: str, status: int, body: str, request_id: str) -> None:
        """Keep an answer if it is an error; any other is ignored."""
        if status < 400:
            return
        clean = self._redactor.clean
        response = ErrorResponse(method, clean(url), status, clean(body[:KEPT]), request_id)
        with self._lock:
            self.answers.append(response)
            self._append(response)

    def _append(self, response: ErrorResponse) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(response), ensure_ascii=False) + "\n")
