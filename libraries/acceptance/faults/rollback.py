"""Undoes the faults that dead runs left in effect; those of a living run are left to it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from acceptance.clients.network_path import NetworkPath, origin_of
from acceptance.deployment.descriptor import LOOPBACK, Descriptor, read_descriptor
from acceptance.errors import ConfigurationError, EnvironmentUnavailable
from acceptance.faults.client_path import ClientPath
from acceptance.faults.drivers import drivers_of
from acceptance.faults.faults import UNDO_SECONDS, undone
from acceptance.faults.journal import FAULT, Entry, adopted, entries, tidy
from acceptance.faults.model import FaultDriver

CONNECT_SECONDS = 2.0


@dataclass
class Outcome:
    """A line for each fault: undone now, still broken, or left to the living run that owns it."""

    undone: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    owned: list[str] = field(default_factory=list)


async def roll_back(
    folder: Path, descriptor: Descriptor | None = None, *, within: float = UNDO_SECONDS,
    drivers: Callable[[Descriptor], Sequence[FaultDriver]] = lambda descriptor: drivers_of(descriptor, NetworkPath()),
) -> Outcome:  # fmt: skip
    """Undo what is journalled in a folder and has no living owner; may be repeated, and interrupted at any instant.

    Args:
        folder: the journal of one deployment.
        descriptor: of the deployment; default: the file that the journal names.
        within: seconds in which each fault is tried again.
    """
    outcome = Outcome()
    owners: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries(folder):
        owners[entry.owner].append(entry)
    for owner, owned in owners.items():
        with adopted(folder, owner) as ours:
            if not ours:
                outcome.owned += [str(entry) for entry in owned]
                continue
            for entry in owned:
                try:
                    how = await _undo(entry, descriptor, drivers, within)
                except (EnvironmentUnavailable, ConfigurationError) as error:
                    outcome.left.append(f"still broken: {entry} ({error}); to undo it by hand: {entry.by_hand}")
                    continue
                (folder / f"{entry.fault.id}{FAULT}").unlink(missing_ok=True)
                outcome.undone.append(f"{entry}: {how}")
    tidy(folder)
    return outcome


async def _undo(
    entry: Entry, descriptor: Descriptor | None, drivers: Callable[[Descriptor], Sequence[FaultDriver]], within: float
) -> str:
    """Undo one fault of a dead owner; returns how it came to be gone."""
    if entry.fault.driver == ClientPath.name:
        return "ended with its process"
    if descriptor is None:
        try:
            descriptor = read_descriptor(Path(entry.descriptor))
        except ConfigurationError as error:
            if await _is_gone(entry):
                return "ended with its deployment"
            raise EnvironmentUnavailable(f"its descriptor cannot be read: {error}") from None
    made = {driver.name: driver for driver in drivers(descriptor)}
    try:
        if entry.fault.driver not in made:
            raise EnvironmentUnavailable(f"the descriptor has no faults.{entry.fault.driver} any more")
        proof = await undone(made[entry.fault.driver], entry.fault, within=within)
        return f"undone: {proof.evidence}"
    except EnvironmentUnavailable:
        if await _is_gone(entry):
            return "ended with its deployment"
        raise
    finally:
        for driver in made.values():
            await driver.close()


async def _is_gone(entry: Entry) -> bool:
    """Whether a deployment on this machine has ended: nothing listens where its API and its control interface were."""
    return all([await _is_silent(address) for address in (entry.api, entry.control) if address])


async def _is_silent(address: str) -> bool:
    if urlsplit(address).hostname not in LOOPBACK:
        return False
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(*origin_of(address)[1:])
    except ConnectionRefusedError:
        return True
    except (OSError, TimeoutError):
        return False
    writer.close()
    return False
