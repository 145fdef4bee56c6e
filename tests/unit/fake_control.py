"""A control interface as docs/deployments.md describes it, that disturbs nothing."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "control-token-1234567890"
TARGETS = {"database": ["latency", "refuse"], "worker": ["kill", "stop"]}


class FakeControl(ThreadingHTTPServer):
    """Holds faults until they are deleted; leases are noted, and never run out.

    Attributes:
        faults: by identifier, as they were put.
        puts: how often a fault was put, by its identifier.
        in_effect: what it says of each fault.
        refuses: status for each request of these methods, such as {"DELETE": 500}.
        sticky: faults that a DELETE does not end.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.faults: dict[str, dict[str, Any]] = {}
        self.puts: dict[str, int] = {}
        self.in_effect = True
        self.refuses: dict[str, int] = {}
        self.sticky: set[str] = set()
        control = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                authorized = self.headers["authorization"] == f"Bearer {TOKEN}"
                status, document = (
                    control.answer(self.command, self.path, json.loads(body or b"null"))
                    if authorized
                    else (401, {"message": "no"})
                )
                content = b"" if document is None else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_DELETE = _answer  # noqa: N815

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and body of one request."""
        if method in self.refuses:
            return self.refuses[method], {"message": "as the test wants it"}
        if path == "/v1/targets":
            return 200, {"targets": [{"name": name, "kinds": kinds} for name, kinds in TARGETS.items()]}
        if path == "/v1/faults":
            return 200, {"faults": [self._document(name) for name in list(self.faults)]}
        name = path.removeprefix("/v1/faults/")
        if method == "PUT":
            if body["kind"] not in TARGETS.get(body["target"], ()) or "wrong" in body["parameters"]:
                return 422, {"message": "unknown parameter 'wrong': known are milliseconds"}
            self.faults[name] = body
            self.puts[name] = self.puts.get(name, 0) + 1
            return 200, self._document(name)
        if method == "DELETE":
            if name not in self.sticky:
                self.faults.pop(name, None)
            return 204, None
        return (200, self._document(name)) if name in self.faults else (404, {"message": "unknown"})

    def _document(self, name: str) -> dict[str, Any]:
        return {
            "id": name, **self.faults[name], "expires_at": "2030-01-01T00:00:00Z", "in_effect": self.in_effect,
            "evidence": "a connection was refused" if self.in_effect else "a connection was made", "affected": 3,
        }  # fmt: skip

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are killed are what is tested."""
