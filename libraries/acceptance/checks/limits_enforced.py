"""Advertised limits are what is enforced (INT-12): tried where they are small, by a user who does nothing else."""

from __future__ import annotations

from acceptance.clients.http import Response, patient
from acceptance.errors import EnvironmentUnavailable, violation
from acceptance.fixtures.users import User
from acceptance.limits import JOBS, UPLOADS, limits_of
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import Payload, Upload, accepted, announcing, delete, document, finished, job_of, sent

TRIED = 10  # uploads at most; of larger limits it is seen that so many are accepted
SEED = 12100


async def jobs_at_once(run: Run, user: User) -> int:
    """Upload one more at once than a user's limit of jobs; returns how many were accepted.

    Raises:
        AssertionError: fewer or more were accepted than the limit says, or the refusal has another status.
        EnvironmentUnavailable: jobs ended before they could be counted.
    """
    patient.set(False)  # a refusal is what is looked for
    limits = await limits_of(run)
    most = limits.at_most(UPLOADS, limits[JOBS])
    payloads = [await _note(run, number) for number in range(min(most + 1, TRIED))]
    responses = await together(*(_upload(run, user, payload) for payload in payloads))
    success = run.contract.route("upload").success
    uploads = [
        accepted(run, user, payload, response, 0.0)
        for payload, response in zip(payloads, responses, strict=True)
        if response.status == success
    ]
    for response in responses:
        if response.status != success:
            run.client.check(response, "too_many")
    what, look = f"{len(payloads)} uploads at once, {JOBS}", responses[0].look
    if len(uploads) < min(most, TRIED):
        raise violation(what, expected=f"{most} accepted, as advertised", observed=len(uploads), look=look)
    if len(uploads) > most:
        if len(await _working(run, uploads)) > most:
            raise violation(what, expected=f"{most} accepted, as advertised", observed=len(uploads), look=look)
        raise EnvironmentUnavailable(f"{what}: jobs ended before they could be counted")
    if run.contract.offers("routes.document_delete"):
        await together(*(delete(run, upload) for upload in uploads))
    return len(uploads)


async def uploads_a_day(run: Run, user: User) -> int:
    """Upload as many documents as a user may in a day, then one more; returns how many were accepted.

    Raises:
        AssertionError: one of them is refused, or the one that is too many is not.
    """
    limits = await limits_of(run)
    most = limits[UPLOADS]
    if most > TRIED:
        return 0
    for number in range(most):
        await finished(run, await sent(run, user, await _note(run, number)))
    patient.set(False)
    response = await _upload(run, user, await _note(run, most))
    if response.status == run.contract.route("upload").success:
        what = f"upload {most + 1} of a user in a day, {UPLOADS} is {most}"
        raise violation(what, expected="a refusal, as advertised", observed=response.excerpt(), look=response.look)
    run.client.check(response, "too_many")
    return most


async def _note(run: Run, number: int) -> Payload:
    return Payload.of(await document(run, "note", SEED + number))


async def _upload(run: Run, user: User, payload: Payload) -> Response:
    return await run.client.send("upload", **announcing(run, payload), token=user.access_token)


async def _working(run: Run, uploads: list[Upload]) -> list[Upload]:
    """Those whose job has not ended now; all of them were at work when the last was accepted."""
    jobs = await together(*(job_of(run, upload) for upload in uploads))
    return [each for each, job in zip(uploads, jobs, strict=True) if not run.contract.jobs.has_ended(job.fields)]
