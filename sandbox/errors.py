"""Errors of the sandbox's own tools: one line, with what to do."""

from __future__ import annotations


class StartError(Exception):
    """What is wrong and what to do about it; the program ends with status 3."""


def in_a_line(error: Exception) -> str:
    """Any error as one line."""
    if isinstance(error, StartError):
        return str(error)
    if isinstance(error, OSError):
        what = ": ".join(str(part) for part in (error.strerror or error, error.filename) if part)
        return f"{what}; see to space and permissions there, or choose another place (TMPDIR, XDG_RUNTIME_DIR)"
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("sandbox"):
        return (
            f"the package '{error.name}' is not installed for this Python; use .venv/bin/python, which `make` sets up"
        )
    return f"unexpected {type(error).__name__}: {error}; this is a fault of the sandbox itself"
