"""Evidence: what a run saw, one JSON line per record in a file per writer. The verdict is judged on it alone."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from acceptance.data import Data
from acceptance.descriptor import Threshold
from acceptance.redaction import Redactor

FILES = "records-*.jsonl"
Status = Literal["PASS", "FAIL", "SKIP"]
Cause = Literal["product", "environment", "capability"]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Scope(Data):
    """What a run set out to judge, of what, and whether it could start. `claims` are identifiers of criteria."""

    kind: Literal["run"] = "run"
    run: str
    name: str
    claims: tuple[str, ...]
    deployment: str
    build: str | None = None
    capabilities: tuple[str, ...] = ()
    thresholds: dict[str, Threshold] = {}
    started: bool = True
    time: str = Field(default_factory=_now)


class Plan(Data):
    """The tests that are declared for each criterion, whether or not they ran."""

    kind: Literal["plan"] = "plan"
    tests: dict[str, tuple[str, ...]]


class Outcome(Data):
    """How one test, or one check of the run itself, ended.

    `cause` tells why it did not pass: `product`, the deployment is wrong; `environment`, our own tool or a provider's
    interface was not there; `capability`, the deployment's descriptor does not offer what it needs.
    """

    kind: Literal["test"] = "test"
    test: str
    criteria: tuple[str, ...]
    status: Status
    cause: Cause | None = None
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


Record = Scope | Plan | Outcome | Observation | Note
_RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


class Recorder:
    """Appends records to `<folder>/<FILES>`, one file per writer, each line at once: they survive the writer's death.

    Args:
        folder: where the evidence of the run is.
        redactor: cleans every text before it is written.
        writer: a name that no other writer of this folder has.
        deployment: name of the deployment that is observed, and its `build` where that is known.
    """

    def __init__(
        self, folder: Path, redactor: Redactor, writer: str = "", *, deployment: str = "", build: str | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.current_test = ""
        self._redactor = redactor
        self._deployment, self._build = deployment, build
        self._lock = threading.Lock()
        path = folder / FILES.replace("*", writer or f"process-{os.getpid()}")
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def test(
        self,
        *,
        name: str,
        status: Status,
        criteria: Sequence[str],
        message: str = "",
        cause: Cause | None = None,
        seconds: float = 0.0,
    ) -> None:
        """How a test, or a check of the run itself, ended."""
        message = self._redactor.clean(message)
        self.write(
            Outcome(test=name, criteria=tuple(criteria), status=status, cause=cause, message=message, seconds=seconds)
        )

    def observe(
        self,
        criterion: str,
        name: str,
        value: float | bool | str,
        *,
        unit: str = "",
        samples: int = 1,
        artifact: Artifact | None = None,
    ) -> None:
        """Something measured for a criterion; `criteria.yaml` names the figures that are held against a limit."""
        self.write(
            Observation(
                criterion=criterion,
                name=name,
                value=self._redactor.clean(value) if isinstance(value, str) else value,
                unit=unit,
                samples=samples,
                test=self.current_test,
                deployment=self._deployment,
                build=self._build,
                artifact=artifact,
            )
        )

    def note(self, text: str) -> None:
        """Something that a reader of the run should know."""
        self.write(Note(text=self._redactor.clean(text)))

    def write(self, record: Record) -> None:
        """Append one record."""
        line = memoryview(record.model_dump_json().encode() + b"\n")
        with self._lock:
            while line:
                line = line[os.write(self._file, line) :]

    def close(self) -> None:
        """Nothing more is written."""
        os.close(self._file)


@dataclass
class Evidence:
    """All that was recorded. `damage` names each line that is not a whole record; such evidence proves nothing good."""

    scopes: list[Scope] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Put a record among those of its kind."""
        match record:
            case Scope():
                self.scopes.append(record)
            case Plan():
                self.plans.append(record)
            case Outcome():
                self.outcomes.append(record)
            case Observation():
                self.observations.append(record)
            case Note():
                self.notes.append(record)


def read_evidence(folder: Path) -> Evidence:
    """What all writers left in a folder; a half or unreadable line is not a record, and is named in `damage`."""
    evidence = Evidence()
    for path in sorted(folder.glob(FILES)):
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
