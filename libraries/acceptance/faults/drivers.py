"""The drivers that a descriptor allows."""

from __future__ import annotations

from acceptance.clients.network_path import NetworkPath
from acceptance.deployment.descriptor import Descriptor
from acceptance.faults.client_path import ClientPath
from acceptance.faults.control import Control
from acceptance.faults.database import OperatorDatabase
from acceptance.faults.model import FaultDriver
from acceptance.faults.platform import HostingPlatform


def drivers_of(descriptor: Descriptor, path: NetworkPath) -> list[FaultDriver]:
    """The driver of the client's own path, and one for each interface of the descriptor.

    Raises:
        ConfigurationError: a secret of an interface is not set.
    """
    drivers: list[FaultDriver] = [ClientPath(descriptor, path)]
    if "faults" not in descriptor.capabilities:
        return drivers
    if descriptor.faults.control is not None:
        drivers.append(Control(descriptor, descriptor.faults.control))
    if descriptor.faults.database is not None:
        drivers.append(OperatorDatabase(descriptor, descriptor.faults.database))
    if descriptor.faults.platform and descriptor.platform is not None:
        drivers.append(HostingPlatform(descriptor, descriptor.platform))
    return drivers
