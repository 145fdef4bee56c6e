"""What one user may see and do of another user's things: nothing."""

from __future__ import annotations

import zlib

from acceptance.checks import isolation, upload_integrity
from acceptance.checks.fixtures import UserData, create_user_data
from acceptance.uploads import document
from PeopleLibrary import user
from robot.api import logger
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 60.0


@library(scope="GLOBAL", version="1.0.0")
class IsolationLibrary:
    """Steps about two users; whoever is said to have something has it for the rest of the run."""

    @keyword("${name} has a document and a conversation about it")
    def has_belongings(self, name: str) -> None:
        """A user with one complete document and one conversation; the same in each test that names them."""
        run = the_run()

        async def make() -> UserData:
            return await create_user_data(run, await run.users.signed_in(), seed=zlib.crc32(name.encode()))

        has = run.wait(run.once(f"belongings of {name}", make), within=WITHIN)
        run.context.users[name] = has.owner
        run.context.things[f"belongings of {name}"] = has

    @keyword("the lists of ${reader} show nothing of ${owner}")
    def lists_show_nothing(self, reader: str, owner: str) -> None:
        """Each list shows its reader exactly what they have, whatever page or state is asked for."""
        the_run().wait(isolation.lists_show_only(the_run(), _of(reader), _of(owner)), within=WITHIN)

    @keyword("no route lets ${intruder} reach what ${owner} has")
    def owner_routes_are_closed(self, intruder: str, owner: str) -> None:
        """Each route of the kind `owner` answers as for what is unknown, and changes nothing."""
        the_run().wait(isolation.owner_routes_are_closed(the_run(), _of(owner), user(intruder)), within=WITHIN)

    @keyword("the storage gives the bytes of ${owner} neither to ${intruder} nor to nobody")
    def stored_bytes_are_closed(self, owner: str, intruder: str) -> None:
        """At the storage service itself the bytes are open to their owner alone."""
        the_run().wait(isolation.stored_bytes_are_closed(the_run(), _of(owner), user(intruder)), within=WITHIN)

    @keyword("${asker} is told none of the facts of ${owner}")
    def is_told_nothing(self, asker: str, owner: str) -> None:
        """Asked for each fact, streamed too: no figure of the owner's, and no source but the asker's own."""
        run = the_run()
        own = run.context.things.get(f"belongings of {asker}")
        answers = run.wait(isolation.answers_hold_nothing(run, _of(owner), user(asker), own), within=WITHIN)
        run.context.things[f"replies to {asker}"] = answers
        logger.info(f"{len(answers)} questions")

    @keyword("${intruder} cannot join the conversation of ${owner}")
    def conversation_is_closed(self, intruder: str, owner: str) -> None:
        """Its identifiers are unknown to anybody else, and it goes on for its owner as if nothing had been tried."""
        the_run().wait(isolation.conversation_is_closed(the_run(), _of(owner), user(intruder)), within=WITHIN)

    @keyword("${intruder} cannot listen to the events of ${owner}")
    def channels_are_closed(self, intruder: str, owner: str) -> None:
        """WebSockets of another user's job and workflow are closed before any frame, however the token comes."""
        the_run().wait(isolation.channels_are_closed(the_run(), _of(owner), user(intruder)), within=WITHIN)

    @keyword("the database keeps ${owner} and ${asker} apart")
    def recorded_apart(self, owner: str, asker: str) -> None:
        """Documents and chunks are their owners', and what the asker was told came from their own (needs `sql`)."""
        run = the_run()
        answers = run.context.things[f"replies to {asker}"]
        run.wait(isolation.recorded_apart(run, _of(owner), _of(asker), answers), within=WITHIN)

    @keyword("${one} and ${other} upload the same content at the same time")
    def upload_the_same(self, one: str, other: str) -> None:
        """Each gets a document and a job of their own, which completes, and sees the events of no other."""
        run = the_run()
        note = run.wait(document(run, "note", seed=zlib.crc32(f"{one} and {other}".encode())))
        users = [user(one), user(other)]
        uploads = run.wait(isolation.processed_side_by_side(run, users, note), within=WITHIN)
        for name, upload in zip((one, other), uploads, strict=True):
            run.context.things[f"upload of {name}"] = upload
        run.context.things["handbook"] = note.handbook

    @keyword("${name} is answered from nobody else's copy")
    def answers_come_from_own(self, name: str) -> None:
        """Each fact is answered, from the person's own document alone."""
        run = the_run()
        upload, handbook = run.context.things[f"upload of {name}"], run.context.things["handbook"]
        run.wait(isolation.answers_come_from(run, upload, handbook), within=WITHIN)

    @keyword("the database holds the copy of ${name} as theirs")
    def copy_is_recorded(self, name: str) -> None:
        """The document's row names the person, and what they sent (needs `sql`)."""
        run = the_run()
        run.wait(upload_integrity.recorded_for_owner(run, run.context.things[f"upload of {name}"]))

    @keyword("deleting the copy of ${one} leaves the copy of ${other} whole")
    def gone_for_one_alone(self, one: str, other: str) -> None:
        """It is gone for who deleted it; the other's bytes, job and answers are as before."""
        run, things = the_run(), the_run().context.things
        deleted, kept = things[f"upload of {one}"], things[f"upload of {other}"]
        run.wait(isolation.gone_for_one_alone(run, deleted, kept, things["handbook"]), within=WITHIN)


def _of(name: str) -> UserData:
    user_data: UserData = the_run().context.things[f"belongings of {name}"]
    return user_data
