"""Recordings of local runs (`variables/baseline.yaml`): what other deployments are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml
from pydantic import Field

from acceptance.deployment.descriptor import Descriptor, is_local
from acceptance.errors import EnvironmentUnavailable
from acceptance.yaml_models import PROJECT, Data, read_model

BASELINE = PROJECT / "variables" / "baseline.yaml"
HEADER = """\
# local:      the mission's figures of the local integration, to match or beat
# tolerance:  by how much a deployment may differ from a recording; everything else must be equal
# recordings: how a deployment of this name behaved, by `make baseline DEPLOYMENT=name`; the field `baseline:`
#             of a descriptor names the one that it must equal, unless it is that of its own name.
#             load: means of successive spans of 10 s, in ms: to the first byte (endpoints), to the last one (totals)
#             visit: each call of ten users who come at the same time, in ms
"""


class Endpoint(Data):
    """One endpoint in a run: the mean time of each span, in ms, and how many requests there were in all."""

    spans: tuple[float, ...] = Field(min_length=1)
    requests: int = Field(ge=1)

    @property
    def mean(self) -> float:
        """The mean of the spans, ms."""
        return fmean(self.spans)


class RequestOutcome(Data):
    """How a request was answered; an answer that is no error has no code."""

    status: int
    code: str | None = None


class Figure(Data):
    """A figure of the local integration, as measured there."""

    value: int | float | str
    unit: str
    about: str


class Tolerance(Data):
    """`chunks`: share of a document's chunks, rounded down, that there may be more or fewer."""

    chunks: float = Field(ge=0, lt=1)


class DocumentOutcome(Data):
    """What became of a document: refused with an answer, or its statuses in order, last error code and chunks."""

    refused: RequestOutcome | None = None
    statuses: list[str] = []
    state: str = ""
    code: str | None = None
    chunks: int = 0


class RecordedLoad(Data):
    """The load of PERF-01 … 06 on a deployment, where it was measured, and each endpoint by `flow: endpoint`.

    `endpoints` are times to the first byte, `totals` those to the last one; recordings of before 2026-11-28 lack them.
    """

    at: str
    build: str | None
    environment: dict[str, str]
    endpoints: dict[str, Endpoint]
    totals: dict[str, Endpoint] = {}


class RecordedJourney(Data):
    """So many users who went through everything at the same time; `spans` are the calls of each, by endpoint."""

    at: str
    build: str | None
    environment: dict[str, str]
    users: int = Field(ge=1)
    endpoints: dict[str, Endpoint]


class Recording(Data):
    """How a deployment behaved, and which one that was."""

    at: str
    build: str | None
    providers: dict[str, Any]
    local: bool = True  # its API was on this machine
    documents: dict[str, DocumentOutcome] = Field(min_length=1)
    requests: dict[str, RequestOutcome] = Field(min_length=1)
    load: RecordedLoad | None = None
    visit: RecordedJourney | None = None


class Baseline(Data):
    """The file."""

    local: dict[str, Figure]
    tolerance: Tolerance
    recordings: dict[str, Recording] = {}


def reference(descriptor: Descriptor, baseline: Baseline) -> tuple[str, Recording | None]:
    """The local run that a deployment is held against: the name of the recording, and the recording if there is one.

    Raises:
        EnvironmentUnavailable: a deployment that is not local would be held against itself.
    """
    name = descriptor.baseline or descriptor.name
    recording = baseline.recordings.get(name)
    if recording and not recording.local:
        raise EnvironmentUnavailable(f"'{name}' was recorded of a deployment that is not local: no local baseline")
    if recording and name == descriptor.name and not is_local(descriptor.services.api.url):
        raise EnvironmentUnavailable(
            f"'{name}' is not local, so its own recording is no local baseline: name one by the descriptor's 'baseline'"
        )
    return name, recording


def write(recording: Mapping[str, Any], name: str, path: Path = BASELINE) -> None:
    """Keep a recording, or the part of one that is given, in place of an earlier one of that name."""
    content = read_model(path, Baseline).model_dump(mode="json", exclude_defaults=True)
    recordings = content.get("recordings", {})
    content["recordings"] = recordings | {name: recordings.get(name, {}) | dict(recording)}
    ways: dict[tuple[str, ...], list[str]] = {}
    for recorded in content["recordings"].values():
        for becoming in recorded["documents"].values():
            if "statuses" in becoming:  # written once where many are the same
                becoming["statuses"] = ways.setdefault(tuple(becoming["statuses"]), becoming["statuses"])
    text = yaml.safe_dump(content, sort_keys=False, width=150, allow_unicode=True, default_flow_style=None)
    path.write_text(HEADER + text, encoding="utf-8")
