"""Answers of the run as they came: every error, and those that a failure names."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from acceptance.redaction.redactor import Redactor

KEPT = 8192  # characters of a body
SENT = 2048  # characters of what was sent
FILES = "journal/errors-*.jsonl"
REMEMBERED = 2000  # latest answers
_REQUEST = re.compile(r"\brequest ([\w.-]+)")


@dataclass(frozen=True)
class ErrorResponse:
    """One answer; of an error, status 400 or above, or an event of a stream.

    Attributes:
        status: of HTTP, or the close code of a WebSocket.
        mistake: what is wrong with the body of a refusal, by the contract.
        sent: the beginning of the request's body, as far as it is text.
        event: what it is where it is no HTTP response, such as "WebSocket close".
        secret: the body held a secret that the request did not.
        in_fault_window: the run disturbed the deployment meanwhile, or had not seen it recover.
    """

    method: str
    url: str
    status: int
    body: str
    request_id: str
    route: str = ""
    mistake: str = ""
    sent: str = ""
    event: str = ""
    secret: bool = False
    in_fault_window: bool = False

    @property
    def is_error(self) -> bool:
        """Whether it is an error, rather than an answer that a failure names."""
        return self.status >= 400 or bool(self.event)

    @property
    def name(self) -> str:
        """The route of the contract, or method and path of another request."""
        return f"{self.method} {self._path}" if self.route in ("", self.method) else self.route

    @property
    def look(self) -> str:
        """Where to look it up in the deployment's logs."""
        named = f", request {self.request_id}" if self.request_id or not self.event else ""
        return f"{self.method} {self._path}{named}"

    @property
    def _path(self) -> str:
        return urlsplit(self.url).path


def recorded_errors(folder: Path) -> list[ErrorResponse]:
    """The answers that the processes of a run kept in its folder."""
    # A body may hold what else ends a line, such as U+2028.
    lines = [line for path in sorted(folder.glob(FILES)) for line in path.read_text("utf-8").split("\n")]
    return [ErrorResponse(**json.loads(line)) for line in lines if line]


class ErrorLog:
    """Keeps error answers, redacted, in memory and (after `write_to`) as JSON lines."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._latest: deque[ErrorResponse] = deque(maxlen=REMEMBERED)
        self.answers: list[ErrorResponse] = []
        self.in_fault_window: Callable[[], bool] = lambda: False

    def write_to(self, path: Path) -> None:
        """Append to this file from now on; what came before is written first."""
        with self._lock:
            self._path = path
            for response in self.answers:
                self._append(response)

    def record(
        self, *, method: str, url: str, status: int, body: str, request_id: str, route: str = "", mistake: str = "",
        sent: bytes = b"", event: str = "",
    ) -> None:  # fmt: skip
        """Keep an answer if it is an error; any other only for so long that `keep_named` can find it."""
        if status < 400 and not event:
            self._latest.append(ErrorResponse(method, url, status, body[: 2 * KEPT], request_id))
            return
        body, given = body[: 2 * KEPT], sent[: 2 * SENT].decode("utf-8", "replace")
        secret = any(one.encode() not in sent and one not in url for one in self._redactor.secrets_in(body))
        response = self._cleaned(
            ErrorResponse(
                method, url, status, body, request_id, route, mistake, given, event, secret, self.in_fault_window()
            )
        )
        with self._lock:
            self.answers.append(response)
            self._append(response)

    def keep_named(self, message: str) -> None:
        """Write down the answers to the requests that a failure names; errors are there already."""
        named = set(_REQUEST.findall(message))
        with self._lock:
            for response in [one for one in self._latest if one.request_id in named]:
                self._latest.remove(response)
                self._append(self._cleaned(response))

    def _cleaned(self, response: ErrorResponse) -> ErrorResponse:
        clean = self._redactor.clean
        return replace(
            response, url=clean(response.url), body=clean(response.body)[:KEPT], mistake=clean(response.mistake),
            sent=clean(response.sent)[:SENT],
        )  # fmt: skip

    def _append(self, response: ErrorResponse) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(response), ensure_ascii=False) + "\n")
