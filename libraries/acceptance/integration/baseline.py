"""INT-16: the functional baseline (`variables/baseline.yaml`), recorded of one deployment and held against another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from acceptance.data import PROJECT, Data, read_model
from acceptance.descriptor import Descriptor, is_local
from acceptance.documents.catalogue import Failed, Refused
from acceptance.errors import EnvironmentUnavailable, expect_none, violation
from acceptance.integration import requests, stages
from acceptance.integration.requests import Reply
from acceptance.integration.samples import Sample, samples
from acceptance.performance.regression import Endpoint
from acceptance.run import Run
from acceptance.uploads import Upload

BASELINE = PROJECT / "variables" / "baseline.yaml"
HEADER = """\
# local:      the mission's figures of the local integration, to match or beat
# tolerance:  by how much a deployment may differ from a recording; everything else must be equal
# recordings: how a deployment of this name behaved, by `make baseline DEPLOYMENT=name`; descriptors say by `baseline:`
#             which one it must equal, unless it is that of its own name.
#             load: means of successive spans of 10 s, in ms: to the first byte (endpoints), to the last one (totals)
#             visit: each call of ten users who come at the same time, in ms
"""


class Figure(Data):
    """A figure of the local integration, as measured there."""

    value: int | float | str
    unit: str
    about: str


class Tolerance(Data):
    """`chunks`: share of a document's chunks, rounded down, that there may be more or fewer."""

    chunks: float = Field(ge=0, lt=1)


class Becoming(Data):
    """What became of a document: refused with an answer, or its statuses in order, last error code and chunks."""

    refused: Reply | None = None
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


class RecordedVisit(Data):
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
    documents: dict[str, Becoming]
    requests: dict[str, Reply]
    load: RecordedLoad | None = None
    visit: RecordedVisit | None = None


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


async def behaves_as_recorded(run: Run) -> None:
    """Every document and request has the outcome of the recording; raises AssertionError naming each difference.

    Raises:
        EnvironmentUnavailable: nothing was recorded that this deployment could be compared with.
    """
    baseline = read_model(BASELINE, Baseline)
    name, recorded = reference(run.descriptor, baseline)
    if recorded is None:
        known = ", ".join(baseline.recordings) or "none"
        raise EnvironmentUnavailable(f"no functional baseline '{name}' in {BASELINE.name} (recorded: {known})")
    differences = compare(recorded, await observe(run), baseline.tolerance)
    compared = len(recorded.documents) + len(recorded.requests)
    run.observe("INT-16", "differences_from_baseline", len(differences), "differences", samples=compared)
    expect_none(differences, "behaviour", expected=f"that of '{name}', recorded {recorded.at}")


async def record(run: Run) -> dict[str, Any]:
    """How the deployment behaves, as it is kept in the file.

    Raises:
        AssertionError: a document did not end, or not as the catalogue says: such behaviour is no baseline.
    """
    wrong = (f"'{sample.name}': {reason}" for sample in await samples(run) if (reason := unfit(sample)))
    expect_none(wrong, "documents", expected="to become what the catalogue says")
    return (await observe(run)).model_dump(mode="json", exclude_defaults=True)


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


async def observe(run: Run) -> Recording:
    """What becomes of all documents of the catalogue, and how all requests are answered (needs `sql`)."""
    made = await samples(run)
    sent = {sample.name: sample.upload for sample in made if sample.upload}
    there = await stages.stored(run, {upload.document_id: upload.job_id for upload in sent.values()})
    complete = next((upload for upload in sent.values() if _status(upload) == run.contract.jobs.complete.status), None)
    if complete is None:
        raise violation("documents", expected="one at least to be complete", seen="none")
    failed = next(
        (u for u in sent.values() if u.owner is complete.owner and _status(u) in run.contract.jobs.failures), None
    )
    if failed is None:
        raise violation("documents", expected="one at least of each user to fail, as the catalogue says", seen="none")
    known = {
        "complete_job": complete.job_id, "complete_document": complete.document_id, "failed_job": failed.job_id,
        "used_address": complete.signed_url, "filename": complete.payload.filename, "sha256": complete.payload.sha256,
    }  # fmt: skip
    return Recording(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        build=run.descriptor.build,
        providers=run.descriptor.providers.model_dump(mode="json"),
        documents={
            sample.name: _becoming(sample, there[sample.upload.document_id])
            if sample.upload
            else Becoming(refused=Reply(status=sample.answer.status, code=requests.code_of(run, sample.answer)))
            for sample in made
        },
        requests=await requests.answered(run, complete.owner, known),
    )


def compare(recorded: Recording, seen: Recording, tolerance: Tolerance) -> list[str]:
    """Each difference, in words."""
    return [
        *_named("document", recorded.documents, seen.documents, tolerance),
        *_named("request", recorded.requests, seen.requests, tolerance),
    ]


def unfit(sample: Sample) -> str:
    """Why a sample is not what the catalogue expects, or nothing."""
    expected = sample.document.expectation
    if isinstance(expected, Refused) != (sample.upload is None):
        return f"was answered {sample.answer.excerpt()}"
    if sample.problem or sample.upload is None or sample.upload.job is None:
        return sample.problem
    wanted = expected.status if isinstance(expected, Failed) else "complete"
    return "" if _status(sample.upload) == wanted else f"ended as '{_status(sample.upload)}', expected '{wanted}'"


def _named(kind: str, recorded: Mapping[str, Data], seen: Mapping[str, Data], tolerance: Tolerance) -> Iterator[str]:
    for name in [*recorded, *(name for name in seen if name not in recorded)]:
        if name not in seen or name not in recorded:
            yield f"{kind} '{name}' is {'not made any more' if name in recorded else 'not in the recording'}"
            continue
        before, now = recorded[name], seen[name]
        for field in type(before).model_fields:
            was, is_now = getattr(before, field), getattr(now, field)
            if was != is_now and not (field == "chunks" and abs(was - is_now) <= math.floor(was * tolerance.chunks)):
                yield f"{kind} '{name}': {field} {is_now}, recorded {was}"


def _becoming(sample: Sample, there: stages.Stored) -> Becoming:
    assert sample.upload
    job = sample.upload.job
    error = (job["last_error"] or {}) if job else {}
    return Becoming(
        statuses=[row["status"] for row in there.events], state=str(job["state"]) if job else sample.problem,
        code=error.get("code"), chunks=len(there.chunks),
    )  # fmt: skip


def _status(upload: Upload) -> str:
    return str(upload.job["status"]) if upload.job else ""
