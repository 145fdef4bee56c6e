"""Writing evidence: one file per writer, its lines numbered and chained, each on disk before the next."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from acceptance.errors import NotWritten
from acceptance.evidence.histogram import Distribution
from acceptance.evidence.records import (
    Artifact,
    Cause,
    Note,
    Observation,
    Opened,
    Outcome,
    Panel,
    Point,
    Record,
    Series,
    Status,
)
from acceptance.redaction.redactor import Redactor

FILES = "records-*.jsonl"
NOTHING_LOOKED_AT = "it passed, and looked at nothing of the deployment"


class Recorder:
    """Appends records to a file of its own in `folder`; what was recorded survives the writer's death.

    Args:
        folder: where the evidence of the run is.
        run: the run's identifier.
        redactor: cleans every text before it is written.
        role: what the writer is; its name is made of it.
        deployment: name of the deployment that is observed, and its `build` where that is known.
    """

    def __init__(
        self, folder: Path, run: str, redactor: Redactor, role: str, *, deployment: str = "", build: str | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.current_test, self.closed = "", False
        self.writer = f"{role}-{uuid.uuid4().hex[:8]}"
        self.redactor = redactor
        self._deployment, self._build = deployment, build
        self._lock = threading.RLock()
        self._written = (0, 0, "")  # bytes, records, SHA-256 of the last
        self._pending = b""
        self._path = str(folder / FILES.replace("*", self.writer))
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        self.write(Opened(run=run))

    def test(
        self,
        *,
        name: str,
        status: Status,
        criteria: Sequence[str],
        message: str = "",
        cause: Cause | None = None,
        seconds: float = 0.0,
        place: str = "",
        source: str = "",
        looks: int | None = None,
        without: Iterable[str] = (),
    ) -> None:
        """How a test, or a check of the run itself, ended; one that passed without a look is not verified."""
        if status == "PASS" and looks == 0:
            status, cause, message = "FAIL", "environment", NOTHING_LOOKED_AT
        self.write(
            Outcome(
                test=self.redactor.clean(name),
                criteria=tuple(criteria),
                status=status,
                cause=cause,
                message=self.redactor.clean(message),
                seconds=round(seconds, 3),
                place=place,
                source=source,
                looks=looks,
                without=tuple(sorted(without)),
            )
        )

    def observe(
        self,
        criterion: str,
        name: str,
        value: float | bool | str,
        unit: str,
        *,
        samples: int,
        artifact: Artifact | None = None,
        statistic: str | None = None,
        distribution: Distribution | None = None,
    ) -> Observation:
        """Something measured for a criterion; `criteria.yaml` names the figures that are held against a limit.

        Raises:
            ValueError: there is no criterion, name, unit or sample, or they do not fit together.
        """
        observation = Observation(
            criterion=criterion,
            name=self.redactor.clean(name),
            value=self.redactor.clean(value) if isinstance(value, str) else value,
            unit=unit,
            samples=samples,
            artifact=artifact,
            statistic=statistic,
            distribution=distribution,
            test=self.current_test,
            deployment=self._deployment,
            build=self._build,
        )
        self.write(observation)
        return observation

    def series(
        self,
        criterion: str,
        name: str,
        unit: str,
        lines: Mapping[str, Sequence[Point]],
        *,
        x_unit: str = "s",
        marks: Mapping[str, float] | None = None,
        below: Panel | None = None,
    ) -> Series:
        """Something measured over time, or against something else; each line is of points (x, y)."""
        clean = self.redactor.clean
        series = Series(
            criterion=criterion,
            name=clean(name),
            unit=unit,
            x_unit=x_unit,
            lines=_cleaned(lines, clean),
            marks={clean(label): x for label, x in (marks or {}).items()},
            below=below and below.model_copy(update={"lines": _cleaned(below.lines, clean)}),
            test=self.current_test,
        )
        self.write(series)
        return series

    def note(self, text: str) -> None:
        """Something that a reader of the run should know."""
        self.write(Note(text=self.redactor.clean(text)))

    def write(self, record: Record) -> None:
        """Append one record; it is numbered and chained here.

        Raises:
            NotWritten: there is no room for it, or the file cannot be written.
        """
        with self._lock:
            _, number, previous = self._settled()
            place = {"writer": self.writer, "number": number + 1, "previous": previous}
            self._pending = record.model_copy(update=place).model_dump_json(exclude_none=True).encode() + b"\n"
            rest = memoryview(self._pending)
            try:
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except OSError as error:
                raise NotWritten(error.errno, f"evidence cannot be written: {error.strerror}", self._path) from error
            self._settled()

    def _settled(self) -> tuple[int, int, str]:
        """What is written, by the file itself: a timeout or signal may come between writing a line and counting it."""
        size, number, _ = self._written
        if self._pending and os.fstat(self._file).st_size == size + len(self._pending):
            digest = sha256(memoryview(self._pending)[:-1]).hexdigest()
            self._written = (size + len(self._pending), number + 1, digest)
        return self._written

    def close(self) -> None:
        """Nothing more is written."""
        if not self.closed:
            self.closed = True
            os.close(self._file)


def _cleaned(lines: Mapping[str, Sequence[Point]], clean: Callable[[str], str]) -> dict[str, tuple[Point, ...]]:
    return {clean(label): tuple(points) for label, points in lines.items()}
