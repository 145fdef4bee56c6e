"""What a run writes down, one JSON line each: `docs/evidence.schema.json` is made of these types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, model_validator

from acceptance.deployment.descriptor import Threshold
from acceptance.evidence.histogram import Distribution
from acceptance.yaml_models import Data

Status = Literal["PASS", "FAIL", "SKIP"]
Cause = Literal["product", "environment", "capability", "not_offered", "blocked"]


def _moment_that_is(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Time = Annotated[
    str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"), AfterValidator(_moment_that_is)
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Z]+-\d\d$")]
Words = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]


def moment(*, later: timedelta = timedelta(0)) -> str:
    """Now, or so much later: UTC with milliseconds. Such texts sort as the times do."""
    return f"{datetime.now(UTC) + later:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


class Entry(Data):
    """One line of a writer's file: the lines are numbered from 1, and each names the SHA-256 of the one before."""

    writer: str = ""
    number: int = Field(default=0, ge=0)
    previous: str = ""
    time: Time = Field(default_factory=moment)

    @property
    def reference(self) -> str:
        """What names this line within its run."""
        return f"{self.writer}:{self.number}"


class Opened(Entry):
    """The first line of every file: of which run it is, and in which format."""

    kind: Literal["opened"] = "opened"
    run: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$")]
    format: Literal[1] = 1


class Scope(Entry):
    """What a run set out to judge, of what, and whether it could start; the last one of a run counts.

    Args:
        claims: identifiers of criteria.
        criteria: SHA-256 of the criteria that it was to be judged by.
        contract: what the deployment's contract says otherwise than the standard one, a line each.
        core_absent: what the application consists of and its contract does not offer, by dotted paths.
        sibling_of: name of the deployment for which this one, of the same build, shows what that one cannot.
    """

    kind: Literal["run"] = "run"
    name: str
    claims: tuple[str, ...]
    deployment: str
    build: str | None = None
    sibling_of: str | None = None
    capabilities: tuple[str, ...] = ()
    thresholds: dict[str, Threshold] = {}
    started: bool = True
    criteria: str = ""
    contract: tuple[str, ...] = ()
    core_absent: tuple[str, ...] = ()


class Plan(Entry):
    """The tests that are declared for each criterion, whether or not they ran."""

    kind: Literal["plan"] = "plan"
    tests: dict[str, tuple[str, ...]]


class Outcome(Entry):
    """How one test, or one check of the run itself, ended.

    `cause` tells why it did not pass: `product`, the deployment is wrong; `environment`, our own tool or a provider's
    interface was not there; `capability`, the deployment's descriptor does not offer what it needs;
    `not_offered`, its contract marks that `absent`; `blocked`, a fixture that it needs could not be made: that is
    recorded once, as the fixture's outcome. `without` names what the contract marks `absent` and it left out.
    `place` is where it stands in log.html (`log.html#<place>`), `source` the file and line of a test. `looks` counts
    the steps, answers, figures and comparisons behind it, where its writer counts them: one that passed on none counts
    for nothing.
    """

    kind: Literal["test"] = "test"
    test: Words
    criteria: tuple[str, ...]
    status: Status
    cause: Cause | None = None
    message: str = ""
    seconds: float = Field(default=0.0, ge=0)
    place: str = ""
    source: str = ""
    looks: int | None = Field(default=None, ge=0)
    without: tuple[str, ...] = ()


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("a path in the run's folder")
    return path


class Artifact(Data):
    """A file with what was seen in full; its path is relative to the run's folder."""

    path: Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00-\x1f]+$"), AfterValidator(_inside)]
    sha256: Sha256


WHY_FEW = "why so few samples"  # the name of a text that says which limit left no more of them


class Observation(Entry):
    """Something measured for a criterion: a figure in its unit from so many samples, or a text (unit `text`).

    `statistic` says what `value` is of the `distribution` (mean, median, max, p95, …), where there is one; such figures
    of several observations are judged as the statistic of all their samples together.
    """

    kind: Literal["observation"] = "observation"
    criterion: Identifier
    name: Words
    value: Annotated[float, Field(allow_inf_nan=False)] | bool | str
    unit: Words
    samples: int = Field(ge=1)
    statistic: Annotated[str, StringConstraints(pattern=r"^(mean|median|min|max|p\d\d?(\.\d+)?)$")] | None = None
    distribution: Distribution | None = None
    test: str = ""
    deployment: str = ""
    build: str | None = None
    artifact: Artifact | None = None

    @model_validator(mode="after")
    def _measured(self) -> Observation:
        if isinstance(self.value, str) != (self.unit == "text"):
            raise ValueError("a text has the unit 'text', and nothing else has")
        if (self.statistic is None) != (self.distribution is None):
            raise ValueError("statistic and distribution go together")
        if self.distribution is not None and self.distribution.count != self.samples:
            raise ValueError(f"{self.samples} samples, but a distribution of {self.distribution.count}")
        return self


Point = tuple[float, float]


class Panel(Data):
    """Something else that was measured over the same x, drawn below: named sequences of (x, y), y in `unit`."""

    name: Words
    unit: Words
    lines: dict[str, tuple[Point, ...]]


class Series(Entry):
    """Something measured over time, or against something else: what a chart shows.

    `lines` are named sequences of (x, y), x in `x_unit`, y in `unit`; `marks` names moments of x (a fault begins).
    """

    kind: Literal["series"] = "series"
    criterion: Identifier
    name: Words
    unit: Words
    x_unit: Words = "s"
    lines: dict[str, tuple[Point, ...]]
    marks: dict[str, float] = {}
    below: Panel | None = None
    test: str = ""


class Past(Data):
    """One figure of an earlier run of the same deployment; `name` is what was run, where it is known."""

    run: str
    name: str | None = None
    time: Time
    build: str | None = None
    value: float


class Trend(Entry):
    """How a figure was in earlier runs, the oldest first; `regression` says what a test made of it, or nothing."""

    kind: Literal["trend"] = "trend"
    criterion: Identifier
    figure: Words
    unit: Words
    past: tuple[Past, ...]
    regression: str = ""


class Decision(Entry):
    """A decision of docs/decisions/ as it was when the run was sealed.

    `measured_by` names criteria, or figures of theirs (`INT-08.realtime_lag`), on which it rests.
    """

    kind: Literal["decision"] = "decision"
    file: Words
    title: Words
    summary: str
    sha256: Sha256
    measured_by: tuple[str, ...] = ()


class Note(Entry):
    """Something that a reader of the run should know."""

    kind: Literal["note"] = "note"
    text: str


Record = Opened | Scope | Plan | Outcome | Observation | Series | Trend | Decision | Note
RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


def schema() -> dict[str, Any]:
    """The JSON Schema of one line."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "One line of evidence"} | (
        RECORD.json_schema(mode="validation")
    )
