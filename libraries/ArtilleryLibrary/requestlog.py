"""The request log: one line of JSON per virtual user, request and second, as the hooks write it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNFINISHED = "unfinished when the load ended"  # as hooks.mjs has it


@dataclass(frozen=True)
class LoggedRequest:
    """An attempted request.

    Args:
        user: the virtual user.
        scenario: as in the script.
        endpoint: the request's name, else its method and path.
        at: when it began, seconds since the epoch.
        ok: expected status, fields and user.
        failures: reasons where not ok.
        sent: number of sends: 1, more where redirects were followed, 0 where a function failed before or a variable
            was not set.
        first_byte: milliseconds from the last byte sent to the first byte received; none without a response. Where
            redirects were followed, of the final response alone.
        total: milliseconds from its beginning, connecting and redirects included, to the last byte received; none
            without one.
        status: of HTTP; none without a response.
        bytes: length of the response body.
        values: variables that the request's `record` names.
        body: the beginning of the body of an error, status 400 or above; none of others, and of the fiftieth alike.
        request_id: of an error, the header `x-request-id` of its response.
    """

    user: str
    scenario: str
    endpoint: str
    at: float
    ok: bool
    failures: tuple[str, ...] = ()
    sent: int = 1
    first_byte: float | None = None
    total: float | None = None
    status: int | None = None
    bytes: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    body: str | None = None
    request_id: str = ""

    @property
    def is_unfinished(self) -> bool:
        """Whether it was under way when we ended the load."""
        return UNFINISHED in self.failures


@dataclass
class RequestLog:
    """The content of a request log.

    Args:
        requests: in the order of their ends.
        users: start of each virtual user, seconds since the epoch.
        ended: virtual users that completed their scenario.
        step_errors: failures of functions, by reason.
        phases: start of each phase, by index.
        health: (time in seconds since the epoch, CPU milliseconds used so far, p99 and maximum of loop lag so far, ms).
        lags: (time in seconds since the epoch, p99 of the loop's lag within the second before, ms).
        counters: Artillery's own, at its end; none before.
        generator_errors: Artillery's own errors.
        fatal: what ended Artillery: failures of the processor, or of what is done before and after the load.
        unreadable: numbers of invalid lines.
        half: the last line has no end.
    """

    requests: list[LoggedRequest] = field(default_factory=list)
    users: dict[str, float] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    step_errors: dict[str, int] = field(default_factory=dict)
    phases: dict[int, float] = field(default_factory=dict)
    health: list[tuple[float, float, float, float]] = field(default_factory=list)
    lags: list[tuple[float, float]] = field(default_factory=list)
    counters: dict[str, int] | None = None
    generator_errors: list[str] = field(default_factory=list)
    fatal: list[str] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    half: bool = False
    _line: int = 0

    def take(self, line: str) -> None:
        """Add a line."""
        self._line += 1
        try:
            self._take(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            self.unreadable.append(self._line)

    def _take(self, one: dict[str, Any]) -> None:
        match one["kind"]:
            case "request":
                self.requests.append(_request(one))
            case "user":
                self.users[str(one["user"])] = float(one["at"]) / 1000
            case "user-end":
                self.ended.add(str(one["user"]))
            case "step-error":
                reason = str(one["error"])
                self.step_errors[reason] = self.step_errors.get(reason, 0) + 1
            case "phase":
                self.phases[int(one["index"])] = float(one["at"]) / 1000
            case "health":
                figures = (one["at"] / 1000, one["cpu"], one.get("p99", math.inf), one.get("max", math.inf))
                self.health.append((float(figures[0]), float(figures[1]), float(figures[2]), float(figures[3])))
                if "recent" in one:
                    self.lags.append((float(figures[0]), float(one["recent"])))
            case "end":
                self.counters = {str(name): int(value) for name, value in one["counters"].items()}
            case "generator-error":
                self.generator_errors.append(str(one["error"]))
            case "fatal":
                self.fatal.append(str(one["error"]))
            case _:
                raise ValueError("unknown kind")


class LogReader:
    """Reads a growing log."""

    def __init__(self, path: Path) -> None:
        self.log = RequestLog()
        self._path = path
        self._offset = 0
        self._rest = b""

    def read(self) -> RequestLog:
        """The log up to now; an unfinished line waits for its end."""
        for line in self._lines():
            self.log.take(line)
        self.log.half = bool(self._rest)
        return self.log

    def _lines(self) -> Iterator[str]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return
        self._offset += len(content)
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", errors="replace")


def read_log(path: Path) -> RequestLog:
    """All of a log; a file that is missing is an empty one."""
    return LogReader(path).read()


def _request(one: dict[str, Any]) -> LoggedRequest:
    ok, failures = one["ok"], tuple(str(failure) for failure in one.get("failures", ()))
    if not isinstance(ok, bool) or ok == bool(failures):
        raise ValueError("a request either succeeds or has failures")
    return LoggedRequest(
        user=str(one["user"]),
        scenario=str(one["scenario"]),
        endpoint=str(one["endpoint"]),
        at=float(one["at"]) / 1000,
        ok=ok,
        failures=failures,
        sent=int(one["sent"]),
        first_byte=_number(one.get("first")),
        total=_number(one.get("total")),
        status=one.get("status"),
        bytes=one.get("bytes"),
        values=dict(one.get("values") or {}),
        body=one.get("body"),
        request_id=str(one.get("request") or ""),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
