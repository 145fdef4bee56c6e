"""Keeps secrets out of everything that Robot Framework writes, whatever library a step is of.

Used by `common.resource` (through DeploymentLibrary) and by the runner (`--listener`); both together do no harm.
What start tags hold is written before a listener runs: names, IF conditions and GROUP titles must not hold secrets.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TextIO

from acceptance.redaction.redactor import Redactor

REDACTOR = Redactor()
"""The one of this process: what any library registers is hidden by every listener."""


class _CleanStream:
    """A stream whose text is cleaned on its way out: what a step prints reaches the console beside all listeners."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(REDACTOR.clean(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _clean_console() -> None:
    for name in ("__stdout__", "__stderr__"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, _CleanStream):
            setattr(sys, name, _CleanStream(stream))


_clean_console()


class _Same(str):
    """Cleaned text that still equals what it replaces: Robot Framework raises anew when a message changes."""

    old: str

    def __new__(cls, text: str, old: str) -> _Same:
        same = super().__new__(cls, text)
        same.old = old
        return same

    def __eq__(self, other: object) -> bool:
        return other == self.old or str.__eq__(self, other) is True

    def __hash__(self) -> int:
        return str.__hash__(self)


# What each kind of result holds besides `message`: touched by name, since a hook that raises lets the text through.
_TEXTS = {
    "keyword": ("doc",), "test": ("doc",), "suite": ("doc",), "while": ("condition", "limit", "on_limit_message"),
    "if_branch": ("condition",), "group": (), "for": (), "try_branch": (), "return": (), "error": (), "var": (),
}  # fmt: skip
_LISTS = {
    "keyword": ("args",), "for": ("values",), "try_branch": ("patterns",),
    "return": ("values",), "error": ("values",), "var": ("value",),
}  # fmt: skip


def _ending(kind: str) -> Callable[[Any, Any, Any], None]:
    """The method that Robot Framework calls at the end of something that needs no more than the usual cleaning."""

    def end(self: RedactingListener, data: Any, result: Any) -> None:
        self._clean(kind, result)

    return end


class RedactingListener:
    """A listener (version 3) that rewrites messages, arguments and texts before they are written."""

    ROBOT_LISTENER_API_VERSION = 3
    ROBOT_LISTENER_PRIORITY = -1000  # last, so that it cleans what other listeners add

    def log_message(self, message: Any) -> None:
        message.message = REDACTOR.clean(message.message)

    message = log_message

    def end_suite(self, data: Any, result: Any) -> None:
        self._clean("suite", result, plain_message=True)
        for name, value in list(result.metadata.items()):
            result.metadata[name] = REDACTOR.clean(value)

    def end_test(self, data: Any, result: Any) -> None:
        self._clean("test", result, plain_message=True)
        for name, value in list(getattr(result, "metadata", {}).items()):
            result.metadata[name] = REDACTOR.clean(value)

    def end_keyword(self, data: Any, result: Any) -> None:
        self._clean("keyword", result, plain_message=result.type in ("SETUP", "TEARDOWN"))

    def end_for_iteration(self, data: Any, result: Any) -> None:
        for name, value in list(result.assign.items()):
            result.assign[name] = REDACTOR.clean(value)
        self._clean("for_iteration", result)

    end_for = _ending("for")
    end_while = _ending("while")
    end_while_iteration = _ending("while_iteration")
    end_if_branch = _ending("if_branch")
    end_try_branch = _ending("try_branch")
    end_group = _ending("group")
    end_return = _ending("return")
    end_var = _ending("var")
    end_error = _ending("error")

    def _clean(self, kind: str, result: Any, *, plain_message: bool = False) -> None:
        for name in _TEXTS.get(kind, ()):
            text = getattr(result, name, None)
            if isinstance(text, str) and text:
                setattr(result, name, REDACTOR.clean(text))
        for name in _LISTS.get(kind, ()):
            values = getattr(result, name, None)
            if values:
                setattr(result, name, tuple(_cleaned(value) for value in values))
        old = result.message
        cleaned = REDACTOR.clean(old) if old else old
        if cleaned != old:
            result.message = cleaned if plain_message else _Same(cleaned, old)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return REDACTOR.clean(value)
    if isinstance(value, tuple):
        return tuple(_cleaned(part) for part in value)
    return REDACTOR.clean(str(value))
