"""What a deployment can be planted with, as its descriptor says how to ask."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acceptance.deployment.provisioning import Defects, OpenDeployment, Stub, command_of, find_descriptor
from acceptance.errors import ConfigurationError
from acceptance.yaml_models import PROJECT, Data, read_model
from pydantic import TypeAdapter, ValidationError

COMMAND_SECONDS = 60.0


class Defect(Data):
    """One thing wrong: the criteria that must notice it, and those that may, with reasons.

    For a harness mutant, `must` are the criteria that must not be met any more.
    """

    name: str
    area: str
    must: tuple[str, ...]
    may: dict[str, str]
    description: str
    file: str
    dialect: str | None = None


def provided_by(deployment: str) -> Defects:
    """How the deployment is asked for its defects; raises ConfigurationError when it offers none."""
    path = find_descriptor(deployment)
    try:
        provided = read_model(path, Stub).provision.defects
    except ConfigurationError:
        provided = None
    if provided is None:
        raise ConfigurationError([f"{path}: has no provision.defects, so no defect can be planted"])
    return provided


def listed(provided: Defects) -> list[Defect]:
    """The defects that the deployment can be planted with; those of a dialect where its catalogue is of that one."""
    try:
        found = TypeAdapter(list[Defect]).validate_python(_ask(provided.catalogue))
        return [one for one in found if one.dialect is None or one.dialect in provided.catalogue]
    except ValidationError as error:
        mistakes = [f"{' '.join(provided.catalogue)}: {one['loc']}: {one['msg']}" for one in error.errors()]
        raise ConfigurationError(mistakes) from None


def is_active(provided: Defects, opened: OpenDeployment) -> bool:
    """Whether the deployment says that its defect has done harm."""
    return any(one["defect_active"] for one in _ask(provided.active) if Path(one["descriptor"]) == opened.path)


def _ask(words: Sequence[str]) -> Any:
    """The JSON that a command of the descriptor prints."""
    try:
        answer = subprocess.run(
            command_of(words), cwd=PROJECT, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=True
        )
        return json.loads(answer.stdout)
    except subprocess.CalledProcessError as error:
        raise ConfigurationError([f"{' '.join(words)}: status {error.returncode}: {error.stderr.strip()}"]) from None
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise ConfigurationError([f"{' '.join(words)}: {error}"]) from None
