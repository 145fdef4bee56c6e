"""INT-16: the functional baseline (`variables/baseline.yaml`), recorded of one deployment and held against another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from acceptance.checks import baseline_requests, pipeline
from acceptance.checks.fixtures import CatalogueDocument, offered_catalogue, samples
from acceptance.deployment.contract import Jobs
from acceptance.errors import EnvironmentUnavailable, expect_none
from acceptance.fixtures.documents import Failed, Refused
from acceptance.recordings import BASELINE, Baseline, DocumentOutcome, Recording, RequestOutcome, Tolerance, reference
from acceptance.run import Run
from acceptance.uploads import Upload
from acceptance.yaml_models import Data, read_model

NOT_RECORDED = "not in the recording yet: make baseline"


@dataclass(frozen=True)
class Outcome:
    """One document or request beside the recording.

    Attributes:
        difference: empty where both are the same.
        note: why there is nothing to compare with; it is no difference.
    """

    kind: str
    name: str
    difference: str
    note: str = ""


async def outcomes(run: Run) -> list[Outcome]:
    """Every document and request of the recording or of this run, compared (needs `sql`); records how many differ.

    Documents that were added to the catalogue after the recording are named, and judged by INT-06 and INT-13 alone.

    Raises:
        EnvironmentUnavailable: nothing was recorded that this deployment could be compared with.
    """
    baseline = read_model(BASELINE, Baseline)
    name, recorded = reference(run.descriptor, baseline)
    if recorded is None:
        known = ", ".join(baseline.recordings) or "none"
        raise EnvironmentUnavailable(f"no functional baseline '{name}' in {BASELINE.name} (recorded: {known})")
    offered = await offered_catalogue(run)
    left_out = {*offered.left_out, *offered.other_kinds}
    kept = {name: one for name, one in recorded.documents.items() if name not in left_out}
    recorded = recorded.model_copy(update={"documents": kept})
    compared = compare(recorded, await observe(run), baseline.tolerance)
    differences = sum(bool(one.difference) for one in compared)
    added = [one.name for one in compared if one.note]
    run.observe("INT-16", "differences_from_baseline", differences, "differences", samples=len(compared) - len(added))
    if added:
        run.observe("INT-16", "documents_added", f"{', '.join(added)}: {NOT_RECORDED}", "text", samples=len(added))
    return compared


async def record(run: Run) -> dict[str, Any]:
    """How the deployment behaves, as it is kept in the file.

    Raises:
        AssertionError: a document did not end, or not as the catalogue says: such behaviour is no baseline.
    """
    jobs, seen = run.contract.jobs, await samples(run)
    wrong = (f"'{sample.name}': {reason}" for sample in seen if (reason := unfit(sample, jobs)))
    expect_none(wrong, "documents", expected="to become what the catalogue says")
    return (await observe(run)).model_dump(mode="json", exclude_defaults=True)


async def observe(run: Run) -> Recording:
    """What becomes of all documents of the catalogue, and how all requests are answered (needs `sql`)."""
    made = await samples(run)
    sent = {sample.name: sample.upload for sample in made if sample.upload}
    there = await pipeline.stored(run, {upload.document_id: upload.job_id for upload in sent.values()})
    jobs = run.contract.jobs
    of_one_user = (
        (complete, failed)
        for complete in sent.values()
        for failed in sent.values()
        if failed.owner is complete.owner
        and _status(complete) == jobs.complete.status
        and _status(failed) in jobs.failures
    )
    if (pair := next(of_one_user, None)) is None:
        raise EnvironmentUnavailable("no user has both a complete and a failed document: there is nothing to compare")
    complete, failed = pair
    known = {
        "complete_job": complete.job_id, "complete_document": complete.document_id, "failed_job": failed.job_id,
        "filename": complete.payload.filename, "sha256": complete.payload.sha256,
    }  # fmt: skip
    if run.contract.offers("routes.upload.answer.signed_url"):
        known["used_address"] = complete.signed_url
    return Recording(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        build=run.descriptor.build,
        providers=run.descriptor.providers.model_dump(mode="json"),
        documents={
            sample.name: _becoming(sample, there[sample.upload.document_id])
            if sample.upload
            else DocumentOutcome(
                refused=RequestOutcome(
                    status=sample.response.status, code=baseline_requests.code_of(run, sample.response)
                )
            )
            for sample in made
        },
        requests=await baseline_requests.answered(run, complete.owner, known),
    )


def compare(recorded: Recording, seen: Recording, tolerance: Tolerance) -> list[Outcome]:
    """Each document and request of either, compared."""
    return [
        *_compared("document", recorded.documents, seen.documents, tolerance),
        *_compared("request", recorded.requests, seen.requests, tolerance),
    ]


def unfit(sample: CatalogueDocument, jobs: Jobs) -> str:
    """Why a sample is not what the catalogue expects, or nothing."""
    expected = sample.document.expectation
    if isinstance(expected, Refused) != (sample.upload is None):
        return f"was answered {sample.response.excerpt()}"
    if sample.problem or sample.upload is None or sample.upload.job is None:
        return sample.problem
    wanted = jobs.failure(expected.status) if isinstance(expected, Failed) else jobs.complete.status
    return "" if _status(sample.upload) == wanted else f"ended as '{_status(sample.upload)}', expected '{wanted}'"


def _compared(
    kind: str, recorded: Mapping[str, Data], seen: Mapping[str, Data], tolerance: Tolerance
) -> Iterator[Outcome]:
    requests = baseline_requests.read_requests() if kind == "request" else {}
    for name in dict.fromkeys([*recorded, *seen]):
        if name not in seen:
            yield Outcome(kind, name, "not made any more")
            continue
        if name not in recorded:
            is_added = kind == "document"  # by a team, to the catalogue; the requests are the project's own
            yield Outcome(kind, name, *(("", NOT_RECORDED) if is_added else ("not in the recording",)))
            continue
        before, now = recorded[name], seen[name]
        if isinstance(before, RequestOutcome) and isinstance(now, RequestOutcome) and before.status != now.status:
            # As other checks report it: it is the same cause.
            yield Outcome(kind, name, f"{requests[name].route}: expected status {before.status}, observed {now.status}")
            continue
        different = [
            f"{field} {is_now}, recorded {was}"
            for field in type(before).model_fields
            if (was := getattr(before, field)) != (is_now := getattr(now, field))
            and not (field == "chunks" and abs(was - is_now) <= math.floor(was * tolerance.chunks))
        ]
        yield Outcome(kind, name, "; ".join(different))


def _becoming(sample: CatalogueDocument, there: pipeline.Stored) -> DocumentOutcome:
    assert sample.upload
    job = sample.upload.job
    error = job.get("last_error") if job else None
    return DocumentOutcome(
        statuses=[row["status"] for row in there.events], state=str(job["state"]) if job else sample.problem,
        code=error.get("code") if isinstance(error, dict) else None, chunks=len(there.chunks),
    )  # fmt: skip


def _status(upload: Upload) -> str:
    return str(upload.job["status"]) if upload.job else ""
