"""Evidence: what a run saw, one JSON line per record in a file per writer. The verdict is judged on it alone."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError

from acceptance.data import Data
from acceptance.descriptor import Threshold


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Run(Data):
    """What was set out to be judged, and of what. `claims` are identifiers of criteria."""

    kind: Literal["run"] = "run"
    run: str
    name: str
    claims: tuple[str, ...]
    deployment: str
    build: str | None = None
    capabilities: tuple[str, ...] = ()
    thresholds: dict[str, Threshold] = {}
    time: str = Field(default_factory=_now)


class Plan(Data):
    """The tests that are declared for each criterion, whether or not they ran."""

    kind: Literal["plan"] = "plan"
    tests: dict[str, tuple[str, ...]]


class Outcome(Data):
    """How one test, or one check of the run itself, ended.

    `cause` tells why it did not pass: `product`, the deployment is wrong; `environment`, our own tool or a provider's interface was not
    there; `capability`, the deployment's descriptor does not offer what it needs.
    """

    kind: Literal["test"] = "test"
    test: str
    criteria: tuple[str, ...]
    status: Literal["PASS", "FAIL", "SKIP"]
    cause: Literal["product", "environment", "capability"] | None = None
    message: str = ""
    seconds: float = 0.0
    time: str = Field(default_factory=_now)


class Artifact(Data):
    """A file with what was seen in full; its path is relative to the run's directory."""

    path: str
    sha256: str


class Observation(Data):
    """Something measured for a criterion, from so many samples."""

    kind: Literal["observation"] = "observation"
    criterion: str
    name: str
    value: float | bool | str
    unit: str = ""
    samples: int = 1
    test: str = ""
    deployment: str = ""
    build: str | None = None
    artifact: Artifact | None = None
    time: str = Field(default_factory=_now)


class Note(Data):
    """Something that a reader of the run should know."""

    kind: Literal["note"] = "note"
    text: str
    time: str = Field(default_factory=_now)


Record = Run | Plan | Outcome | Observation | Note
_RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


class EvidenceWriter:
    """Appends records to `<directory>/<writer>.jsonl`, each flushed at once: what was written survives the writer's death."""

    def __init__(self, directory: Path, writer: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file = os.open(directory / f"{writer}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, record: Record) -> None:
        """Append one record."""
        line = memoryview(record.model_dump_json().encode() + b"\n")
        with self._lock:
            while line:
                line = line[os.write(self._file, line) :]

    def close(self) -> None:
        """Nothing more is written."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Evidence:
    """All that was recorded. `damage` names each line that is not a whole record; such evidence proves nothing good."""

    runs: list[Run] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Put a record among those of its kind."""
        match record:
            case Run():
                self.runs.append(record)
            case Plan():
                self.plans.append(record)
            case Outcome():
                self.outcomes.append(record)
            case Observation():
                self.observations.append(record)
            case Note():
                self.notes.append(record)


def read_evidence(directory: Path) -> Evidence:
    """What all writers left in a directory; a half or unreadable line is not a record, and is named in `damage`."""
    evidence = Evidence()
    for path in sorted(directory.glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
            try:
                if not line.endswith(b"\n"):
                    raise ValueError("half a line")
                evidence.add(_RECORD.validate_json(line))
            except ValidationError as error:
                evidence.damage.append(f"{path.name}:{number}: not a record: {error.errors()[0]['msg']}")
            except ValueError as error:
                evidence.damage.append(f"{path.name}:{number}: {error}")
    return evidence
