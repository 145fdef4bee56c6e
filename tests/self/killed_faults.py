"""SIGKILL of a process that breaks and undoes: before each of its system calls in turn, and at random moments.

`python -m tests.self.killed_faults DESCRIPTOR RANDOM_KILLS SEED` forks a process for each kill, rolls back what it
left, and prints a line of JSON: after which call it died, what was journalled, and what is left then.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from acceptance.clients.network_path import NetworkPath
from acceptance.deployment.descriptor import Descriptor, read_descriptor
from acceptance.faults.drivers import drivers_of
from acceptance.faults.faults import Faults
from acceptance.faults.journal import Place, entries
from acceptance.faults.rollback import roll_back

CALLS = {  # what a process does to the world, by the names of the functions that do it
    "open", "close", "write", "flush", "fsync", "flock", "mkdir", "rmdir", "rename", "replace", "unlink", "utime",
    "stat", "fstat", "scandir", "listdir", "connect", "send", "sendmsg", "recv", "recv_into", "socket", "shutdown",
}  # fmt: skip
LONGEST_SECONDS = 0.4  # of what is killed at a random moment


def main(descriptor_file: Path, kills: int, seed: int) -> None:
    descriptor = read_descriptor(descriptor_file)
    asyncio.run(break_and_undo(descriptor, descriptor_file, times=1))  # what is imported late is imported now
    number, status = 0, -1
    while status:
        number += 1
        status = died(partial(dying_at, number, descriptor, descriptor_file))
        report(f"call {number}", status, descriptor)
    chance = random.Random(seed)
    for _ in range(kills):
        after = chance.uniform(0, LONGEST_SECONDS)
        status = died(lambda: asyncio.run(break_and_undo(descriptor, descriptor_file, times=1000)), after)
        report(f"{after:.3f} s", status, descriptor)


def died(work: Callable[[], Any], after: float | None = None) -> int:
    """The status of a forked process that does the work and is killed after so many seconds."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dying_at(number: int, descriptor: Descriptor, descriptor_file: Path) -> None:
    count = 0

    def watch(_: object, event: str, called: Any) -> None:
        nonlocal count
        if event == "c_call" and called.__name__ in CALLS:
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)
    asyncio.run(break_and_undo(descriptor, descriptor_file, times=1))


async def break_and_undo(descriptor: Descriptor, descriptor_file: Path, *, times: int) -> None:
    """Break two things, prove one, undo both, again and again."""
    place = place_of(descriptor, descriptor_file)
    faults = Faults(
        descriptor, lambda: drivers_of(descriptor, NetworkPath()), place, "killed", lambda: asyncio.sleep(0, "test")
    )  # fmt: skip
    for _ in range(times):
        slow = await faults.break_("latency", "database", milliseconds=100)
        await faults.break_("stop", "worker")
        await faults.prove(slow)
        await faults.undo(slow)
        await faults.undo_all()
    await faults.close()


def report(at: str, status: int, descriptor: Descriptor) -> None:
    """Roll back, and print what was left before and after."""
    folder = place_of(descriptor, Path()).folder
    before = len(entries(folder))
    outcome = asyncio.run(roll_back(folder, descriptor))
    again = asyncio.run(roll_back(folder, descriptor))
    files = [path.name for path in folder.glob("*")] if folder.exists() else []
    line = {
        "at": at, "status": status, "journalled": before, "undone": len(outcome.undone),
        "left": outcome.left + outcome.owned + again.undone + again.left + files, "in_effect": in_effect(descriptor),
    }  # fmt: skip
    print(json.dumps(line), flush=True)


def in_effect(descriptor: Descriptor) -> list[str]:
    """The faults that the control interface lists."""

    async def ask() -> list[str]:
        [control] = [one for one in drivers_of(descriptor, NetworkPath()) if one.name == "control"]
        response = await control._call("GET", "/faults", 200)  # type: ignore[attr-defined]
        await control.close()
        return [one["id"] for one in response.json()["faults"]]

    return asyncio.run(ask())


def place_of(descriptor: Descriptor, descriptor_file: Path) -> Place:
    control = descriptor.faults.control
    assert control is not None
    return Place(descriptor.name, descriptor.services.api.url, str(descriptor_file), control=control.url)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
