"""The seal closes every chain when a run has ended. Evidence without it is invalid.

It detects accidents and later edits. Its own digest is in the gate and on the console: kept elsewhere (a log of
continuous integration), it detects forgery too. There is no signature: full write access can forge everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from acceptance.evidence.records import Sha256, Time, moment
from acceptance.yaml_models import Data

NAME = "seal-{run}.json"


class Chain(Data):
    """How many records a writer's file holds, and the SHA-256 of the last."""

    records: int
    last: Sha256


class Seal(Data):
    """What was there when the run was sealed.

    `violated` are the criteria that were violated then: whatever happens to the records, they stay violated.
    """

    format: Literal[1] = 1
    run: str
    time: Time
    chains: dict[str, Chain]
    artifacts: dict[str, Sha256]
    violated: tuple[str, ...]


def write_seal(
    folder: Path, run: str, chains: Mapping[str, Chain], artifacts: Mapping[str, str], violated: Iterable[str]
) -> None:
    """Seal a run; the seal is there whole or not at all."""
    seal = Seal(
        run=run,
        time=moment(),
        chains=dict(sorted(chains.items())),
        artifacts=dict(sorted(artifacts.items())),
        violated=tuple(sorted(violated)),
    )
    path = folder / NAME.format(run=run)
    draft = path.with_name(f".{path.name}")
    draft.write_text(seal.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def read_seal(folder: Path, run: str) -> tuple[Seal | None, str, str]:
    """The seal of a run, its own SHA-256, and what is wrong with it; all empty where there is none."""
    path = folder / NAME.format(run=run)
    try:
        content = path.read_bytes()
        return Seal.model_validate_json(content), sha256(content).hexdigest(), ""
    except FileNotFoundError:
        return None, "", ""
    except OSError as error:
        return None, "", f"{path.name}: cannot be read: {error.strerror}"
    except ValidationError as error:
        return None, "", f"{path.name}: not a seal: {error.errors()[0]['msg']}"


def digest_of(path: Path) -> str:
    """SHA-256 of a file, or nothing where there is none."""
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""
