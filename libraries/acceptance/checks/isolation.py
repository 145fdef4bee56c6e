"""INT-04: what is one user's is out of every other user's reach, by any route."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from urllib.parse import urlsplit

from acceptance.chat import Answer, ask, listed_conversations
from acceptance.checks.fixtures import UserData
from acceptance.checks.negative_inputs import words_of
from acceptance.checks.upload_integrity import whole
from acceptance.clients.http import Response
from acceptance.deployment.contract import pick
from acceptance.errors import violation
from acceptance.fixtures.documents import TestDocument
from acceptance.fixtures.handbook import Handbook, figures
from acceptance.fixtures.users import User
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import Payload, Upload, announce, complete, delete, listed_documents, listed_jobs, put_bytes

REFUSED_WITHIN = 5.0


async def lists_show_only(run: Run, own: UserData, theirs: UserData) -> None:
    """Every list shows its reader what they have, all of it and nothing else, in whatever way it is asked for."""
    user = own.owner
    expected = own.identifiers
    for word, seen in {
        "document_id": [entry["document_id"] for entry in await listed_documents(run, user)],
        "job_id": [entry["job_id"] for entry in await listed_jobs(run, user)],
        "conversation_id": await listed_conversations(run, user),
    }.items():
        if seen != [expected[word]]:
            raise violation(f"what the list shows as {word}", expected=[expected[word]], observed=seen)
    plain = [
        run.client.call(name, token=user.access_token)
        for name, route in run.contract.routes.items()
        if route.kind == "user" and route.method == "GET"
    ]
    pages = [{"limit": 1}, {"limit": 1, "offset": 1}, *({"state": state} for state in run.contract.jobs.states)]
    asked = [run.client.call("jobs", query=query, token=user.access_token) for query in pages]
    for response in await together(*plain, *asked):
        _shows_nothing(response, theirs)


async def owner_routes_are_closed(run: Run, theirs: UserData, intruder: User) -> None:
    """Each route of the kind `owner` answers as if there were nothing, in the words that it has for what is unknown."""
    routes = [name for name, route in run.contract.routes.items() if route.kind == "owner"]
    before = await _state(run, theirs)
    for name in sorted(routes, key=lambda name: run.contract.route(name).method == "DELETE"):
        words = words_of(run.contract.route(name))["path"]
        if surplus := words - theirs.identifiers.keys():
            raise violation(
                f"the path of {name}", expected=f"words of {', '.join(theirs.identifiers)}", observed=surplus
            )
        status = run.contract.refused(name, "other_user")
        path = {word: theirs.identifiers[word] for word in words}
        response = await run.client.call(name, path=path, token=intruder.access_token, status=status)
        _shows_nothing(response, theirs, known=path.values())
        unknown = await run.client.call(
            name, path={word: uuid.uuid4() for word in words}, token=intruder.access_token, status=status
        )
        for word in ("code", "message"):
            said = [pick(each.json(), run.contract.errors.shape[word]) for each in (response, unknown)]
            if said[0] != said[1]:
                raise violation(f"{word} of {name}", expected=f"'{said[1]}', as for what is unknown", observed=said[0])
    await _is_untouched(run, theirs, before)


async def stored_bytes_are_closed(run: Run, theirs: UserData, intruder: User) -> None:
    """At the storage service itself nobody but the owner reads the bytes."""
    storage = run.contract.storage
    base, path = run.descriptor.services.storage.url, urlsplit(theirs.upload.signed_url).path
    before, _, after = storage.upload.partition("{object}")
    found = re.fullmatch(f".*{re.escape(before)}(.+){re.escape(after)}", path)
    if found is None:
        raise violation(
            "signed address", expected=f"…{storage.upload}, as the contract's storage.upload says", observed=path
        )
    addresses = {template: base + template.format(object=found[1]) for template in (storage.read, *storage.closed)}
    owners = await run.client.fetch(addresses[storage.read], token=theirs.owner.access_token)
    if owners.content != theirs.upload.payload.data:
        raise violation(
            f"{storage.read} for the owner", expected="the stored bytes", observed=owners.excerpt(), look=owners.look
        )
    for template, address in addresses.items():
        for who, token in ("another user", intruder.access_token), ("nobody", None):
            response = await run.client.fetch(address, token=token)
            if response.status != storage.refused:
                raise violation(
                    f"{template} for {who}", expected=storage.refused, observed=response.excerpt(), look=response.look
                )


async def answers_hold_nothing(run: Run, theirs: UserData, asker: User, own: UserData | None) -> list[Answer]:
    """Whoever asks about another user's facts is told none of them, and is given no source but their own.

    Args:
        own: what the asker has; None: nothing, so that no answer may name a source or a figure.
    """
    known = figures(own.handbook.text) if own else set()
    secret = {fact.figure for fact in theirs.facts} - known
    questions = [fact.question for fact in theirs.facts]
    questions.append(f"What does {theirs.upload.payload.filename} say?")
    before = await listed_conversations(run, asker)
    answers = await together(*(ask(run, asker, question) for question in questions))
    for answer in answers:
        if told := secret & figures(answer.text):
            raise violation(
                f"'{answer.question}'", expected="no figure of another user's", observed=told, look=answer.response.look
            )
        strange = {source.document_id for source in answer.sources} - ({own.upload.document_id} if own else set())
        if strange:
            raise violation(
                f"'{answer.question}'", expected="own sources only", observed=answer.sources, look=answer.response.look
            )
        if own is None and figures(answer.text) - figures(answer.question):
            raise violation(
                f"'{answer.question}'", expected="no figure", observed=answer.text, look=answer.response.look
            )
        _shows_nothing(answer.response, theirs, known=[theirs.handbook.place, *answer.question.split()])
    streamed = await _streamed(run, asker, questions[0])
    if told := secret & figures(streamed):
        raise violation(f"'{questions[0]}', streamed", expected="no figure of another user's", observed=told)
    for conversation in set(await listed_conversations(run, asker)) - set(before):
        path = {"conversation_id": conversation}
        await run.client.call("conversation_delete", path=path, token=asker.access_token)
    return answers


async def conversation_is_closed(run: Run, theirs: UserData, intruder: User) -> None:
    """Nobody speaks in another user's conversation or workflow; for its owner it goes on as if nothing were tried."""
    before = await _state(run, theirs)
    unknown = run.contract.errors.unknown_identifier
    fact = theirs.handbook.facts[0]
    for body in (
        {"conversation_id": theirs.answer.conversation_id},
        {"workflow_id": theirs.answer.workflow_id},
        {"conversation_id": theirs.answer.conversation_id, "workflow_id": theirs.answer.workflow_id},
    ):
        sent = {"message": theirs.handbook.facts[-1].question, **body}
        response = await run.client.call("chat", body=sent, token=intruder.access_token, status=unknown)
        _shows_nothing(response, theirs, known=body.values())
    await _is_untouched(run, theirs, before)
    assert fact.follow_up is not None
    answer = await ask(run, theirs.owner, fact.follow_up.question, conversation_id=theirs.answer.conversation_id)
    if not fact.follow_up.answered_by(answer.text):
        raise violation(
            f"'{answer.question}'", expected=fact.follow_up.figure, observed=answer.text, look=answer.response.look
        )


async def channels_are_closed(run: Run, theirs: UserData, intruder: User) -> None:
    """Every channel of another user's job or workflow is closed before it says anything, however the token comes."""
    job = _refuses(run, "job", theirs.upload.job_id, intruder)
    await together(job, _refuses(run, "workflow", theirs.answer.workflow_id, intruder))


async def processed_side_by_side(run: Run, users: Sequence[User], note: TestDocument) -> list[Upload]:
    """The same content of several users at once: a document and a job for each, and each follows their own alone."""
    uploads = await together(*(announce(run, user, Payload.of(note)) for user in users))
    for word in ("document_id", "job_id"):
        if len({getattr(upload, word) for upload in uploads}) != len(uploads):
            raise violation(f"{word} of the same content", expected="one for each user", observed=uploads)
    async with AsyncExitStack() as channels:
        sockets = [
            await channels.enter_async_context(run.websocket.job(upload.job_id, upload.owner.access_token))
            for upload in uploads
        ]
        for upload, other in pairwise([*uploads, uploads[0]]):
            await _refuses(run, "job", upload.job_id, other.owner)
        await together(*(put_bytes(run, upload) for upload in uploads))
        await together(*(complete(run, upload) for upload in uploads))
        for upload, socket in zip(uploads, sockets, strict=True):
            await socket.until_frame("job_status", within=REFUSED_WITHIN, status=run.contract.jobs.complete.status)
            seen = [(frame.data["job_id"], frame.data["status"]) for frame in socket.events]
            expected = [(upload.job_id, status) for status in run.contract.jobs.statuses]
            if seen != expected:
                raise violation(f"events of job {upload.job_id}", expected=expected, observed=seen)
    return uploads


async def answers_come_from(run: Run, upload: Upload, handbook: Handbook) -> None:
    """The owner of a document is answered from it, and from no other copy of the same content."""
    for fact in handbook.facts:
        answer = await ask(run, upload.owner, fact.question)
        cited = {source.document_id for source in answer.sources}
        if not fact.answered_by(answer.text) or cited != {upload.document_id}:
            raise violation(
                f"'{answer.question}'", expected=f"{fact.figure} from document {upload.document_id}",
                observed=f"'{answer.text}' from {answer.sources}", look=answer.response.look,
            )  # fmt: skip


async def gone_for_one_alone(run: Run, deleted: Upload, kept: Upload, handbook: Handbook) -> None:
    """One user deletes a document: it is gone for them, and the other's of the same content is as before."""
    path = {"document_id": deleted.document_id}
    token, unknown = deleted.owner.access_token, run.contract.errors.unknown_identifier
    await delete(run, deleted)
    for route in ("document_status", "document_content"):
        await run.client.call(route, path=path, token=token, status=unknown)
    answer = await ask(run, deleted.owner, handbook.facts[0].question)
    if answer.sources or handbook.facts[0].answered_by(answer.text):
        raise violation(
            f"'{answer.question}'", expected="nothing found", observed=answer.text, look=answer.response.look
        )
    await whole(run, kept)
    await complete(run, kept)
    await answers_come_from(run, kept, handbook)


async def recorded_apart(run: Run, one: UserData, other: UserData, answers: Iterable[Answer]) -> None:
    """By the named queries, documents are their owners', and cited chunks are of who asked (needs `sql`).

    Args:
        replies: what `other` was told.
    """
    for mine in (one, other):
        rows = await run.database.rows("documents", user_id=mine.owner.user_id)
        if (seen := [str(row["document_id"]) for row in rows]) != [mine.upload.document_id]:
            raise violation(f"documents of {mine.owner.user_id}", expected=[mine.upload.document_id], observed=seen)
        chunks = await run.database.rows("chunks", document_id=mine.upload.document_id)
        strange = other.handbook.place if mine is one else one.handbook.place
        if not chunks or (mixed := [row["chunk_id"] for row in chunks if strange in row["text"]]):
            expected = f"chunks without a word of {strange}"
            raise violation(
                f"chunks of {mine.upload.document_id}", expected=expected, observed=mixed if chunks else "none"
            )
    for answer in answers:
        cited = [source.chunk for source in answer.sources]
        rows = await run.database.rows("chunks", chunk_id=cited) if cited else []
        if {str(row["document_id"]) for row in rows} - {other.upload.document_id} or len(rows) != len(set(cited)):
            raise violation(
                f"'{answer.question}'", expected="chunks of the asker's own", observed=rows, look=answer.response.look
            )


async def _refuses(run: Run, kind: str, identifier: str, intruder: User) -> None:
    client, expected = run.websocket, run.contract.realtime.close.unknown
    path = getattr(run.contract.realtime, kind).format(**{f"{kind}_id": identifier})
    for token, after in (intruder.access_token, None), (intruder.access_token, 0), (None, None):
        async with client.socket(path, token, after=after) as socket:
            if token is None:
                await socket.send(client.first_message(intruder.access_token))
            closed = await socket.until_closed(within=REFUSED_WITHIN)
            if closed != expected or socket.frames:
                raise violation(
                    socket.what, expected=f"closed with {expected} before any frame", observed=socket.summary()
                )


async def _streamed(run: Run, asker: User, question: str) -> str:
    body = {"message": question}
    async with run.client.stream("chat", path={}, token=asker.access_token, body=body) as response:
        await response.aread()
        if response.status_code != run.contract.route("chat").success:
            raise violation("chat, streamed", expected=run.contract.route("chat").success, observed=response.text[:300])
        return response.text


async def _state(run: Run, theirs: UserData) -> dict[str, object]:
    """What an intruder could have changed, as its owner sees it."""
    token = theirs.owner.access_token
    job = await run.client.call("job", path={"job_id": theirs.upload.job_id}, token=token)
    async with run.sse.workflow(theirs.answer.workflow_id, token) as events:
        await events.until_closed(within=REFUSED_WITHIN)
    return {
        "job": {word: job[word] for word in job.paths},
        "conversations": await listed_conversations(run, theirs.owner),
        "workflow events": [frame.data for frame in events.events],
    }


async def _is_untouched(run: Run, theirs: UserData, before: dict[str, object]) -> None:
    after = await _state(run, theirs)
    for what, value in before.items():
        if after[what] != value:
            raise violation(f"{what} after another user's attempts", expected=value, observed=after[what])
    await whole(run, theirs.upload)


def _shows_nothing(response: Response, theirs: UserData, known: Iterable[str] = ()) -> None:
    """`known` is what whoever asked has said themselves."""
    text = response.content.decode("utf-8", "replace")
    if shown := [trace for trace in theirs.traces if trace in text and trace not in set(known)]:
        raise violation(response.route, expected="nothing of another user's", observed=shown, look=response.look)
