"""One JSON line per event on standard error, which goes to the service's file under `logs/`."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

_context: Final[ContextVar[dict[str, Any] | None]] = ContextVar("log_context", default=None)
_logger: Final = logging.getLogger("sandbox")


def setup(service: str) -> None:
    """Send everything that this process logs to standard error; called once in each service, after the fork."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines(service))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    _logger.setLevel(logging.INFO)


def log(event: str, /, *, level: int = logging.INFO, **fields: Any) -> None:
    """Write one line: the event, the fields of `bind` in this task, and the fields given. Never pass a secret."""
    _logger.log(level, event, extra={"fields": fields})


def bind(**fields: Any) -> None:
    """Add fields (request_id, traceparent, job_id, ...) to every later line of the current task and its children."""
    _context.set({**(_context.get() or {}), **fields})


class _JsonLines(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "event": record.getMessage(),
            **(_context.get() or {}),
            **getattr(record, "fields", {}),
        }
        if record.name != _logger.name:
            line["logger"] = record.name
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
