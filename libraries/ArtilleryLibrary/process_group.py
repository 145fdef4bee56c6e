"""Child processes in a group of their own, which ends with its parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def own_group(parent_death_signal: signal.Signals) -> dict[str, Any]:
    """Options of `Popen`: a new session, and, on Linux, the signal that the child gets when its parent dies."""

    def die_with_parent() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, parent_death_signal)

    return {"start_new_session": True, "preexec_fn": die_with_parent}


def signal_group(pid: int, number: int) -> None:
    """Send a signal to the group of a child, if any of it is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
