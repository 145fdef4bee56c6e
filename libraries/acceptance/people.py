"""The people of a run: users that it makes, signs in, and removes again."""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from acceptance.admin import AdminApi
from acceptance.client import Answer
from acceptance.contract import pick
from acceptance.errors import CapabilityMissing, ConfigurationError, EnvironmentUnavailable, violation

if TYPE_CHECKING:
    from acceptance.run import Run

AT_ONCE = 8  # users removed at the same time


@dataclass
class Person:
    """A user and what they hold just now; tokens are kept out of what is printed."""

    email: str
    password: str = field(repr=False)
    user_id: str = ""
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_in: float = 0.0
    asked_at: float = 0.0
    signed_in_at: float = 0.0

    def take(self, answer: Answer) -> None:
        """Hold the session of a signup, login or refresh answer; raises AssertionError where it is someone else's."""
        seen = (answer["email"], answer["user_id"])
        own = (self.email, self.user_id or seen[1])
        if seen != own:
            raise violation(answer.route, expected=f"a session of {own}", seen=f"one of {seen}", look=answer.look)
        self.user_id = answer["user_id"]
        self.access_token = answer["access_token"]
        self.refresh_token = answer["refresh_token"]
        self.expires_in = float(answer["expires_in"])
        self.signed_in_at = time.time()
        self.asked_at = self.signed_in_at - answer.elapsed


class People:
    """Makes users as the descriptor says (`users: signup | admin-api | pool`), and removes what it made."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._admin = AdminApi(run.descriptor)
        self._made: dict[str, Person] = {}

    def stranger(self) -> Person:
        """A person of this run who is not registered: a fresh address and a strong password."""
        password = self._run.redactor.register(f"Aa1!{secrets.token_urlsafe(18)}")
        return Person(f"acceptance+{self._run.identifier}-{uuid.uuid4().hex[:8]}@example.com", password)

    async def signed_in(self, *, access_token_seconds: int | None = None) -> Person:
        """A new user with a session.

        Args:
            access_token_seconds: lifetime of their access tokens; needs the capability `short-lived-tokens`.
        """
        person = self.stranger()
        way = self._run.descriptor.users
        if access_token_seconds is not None:
            self._run.descriptor.need("short-lived-tokens")
            await self._make_by_admin(person, {"access_token_seconds": access_token_seconds})
        elif way == "signup":
            await self.register(person)
            return person
        elif way == "admin-api":
            await self._make_by_admin(person, {})
        else:
            raise ConfigurationError(["users: pool: no pool of users is configured; use signup or admin-api"])
        await self.sign_in(person)
        return person

    async def register(self, person: Person) -> Answer:
        """Sign up through the application; the person holds the session that it gives."""
        answer = await self._run.client.call("signup", body={"email": person.email, "password": person.password})
        person.take(answer)
        self.remember(person)
        return answer

    async def sign_in(self, person: Person) -> Answer:
        """Log in; the person holds the new session."""
        answer = await self._run.client.call("login", body={"email": person.email, "password": person.password})
        person.take(answer)
        return answer

    async def refresh(self, person: Person) -> Answer:
        """Trade the person's refresh token; the person holds the new tokens."""
        answer = await self._run.client.call("refresh", body={"refresh_token": person.refresh_token})
        person.take(answer)
        return answer

    async def log_out(self, person: Person) -> None:
        """End the person's session; the person goes on holding its tokens."""
        await self._run.client.call("logout", token=person.access_token)

    def remember(self, person: Person) -> None:
        """Have a user removed at the end of the run."""
        self._made[person.user_id] = person
        self._run.made.note("user", person.user_id)

    async def remove_all(self) -> list[str]:
        """Remove every user that this run made, and what is theirs; returns one line for each that could not be."""
        at_once = asyncio.Semaphore(AT_ONCE)

        async def remove(user_id: str) -> str:
            async with at_once:
                return await self._remove(user_id)

        users = self._run.made.standing("user")
        left = await asyncio.gather(*map(remove, users))
        self._made.clear()
        return [line for line in left if line] + await self._left_behind(users)

    async def close(self) -> None:
        await self._admin.close()

    async def _remove(self, user_id: str) -> str:
        problems = []
        person = self._made.get(user_id)
        if person is not None:
            try:
                await self._remove_belongings(person)
            except AssertionError as error:
                problems.append(f"user {person.email}: not everything of theirs could be removed: {error}")
        try:
            await self._admin.remove(user_id)
            self._run.made.note("user", user_id, gone=True)
        except (CapabilityMissing, EnvironmentUnavailable) as error:
            problems.append(f"user {person.email if person else user_id} stays: {error}")
        return "; ".join(problems)

    async def _left_behind(self, users: list[str]) -> list[str]:
        """Documents of removed users, where the database can be looked into: their routes went with their users."""
        if not users or "sql" not in self._run.descriptor.capabilities:
            return []
        removed = sorted(set(users) & set(self._run.made.gone("user")))
        try:
            rows = await self._run.inspection.rows("documents", columns=("document_id", "user_id"), user_id=removed)
        except AssertionError as error:
            return [f"whether documents of {len(removed)} removed users stay is not known: {error}"]
        return [f"document {row['document_id']} of the removed user {row['user_id']} stays" for row in rows]

    async def _remove_belongings(self, person: Person) -> None:
        """By the routes of the contract: what hangs on a user does not go with them on every deployment."""
        call = self._run.client.call
        token = person.access_token  # empty where the test never signed them in
        if not token or (await self._run.client.send("user", token=token)).status != 200:
            await self.sign_in(person)
        for listing, entry, route in (
            ("documents", self._run.contract.listed_document, "document_delete"),
            ("conversations", self._run.contract.listed_conversation, "conversation_delete"),
        ):
            word = f"{listing.removesuffix('s')}_id"
            answer = await call(listing, token=person.access_token)
            for listed in answer[listing]:
                await call(route, path={word: pick(listed, entry[word])}, token=person.access_token)

    async def _make_by_admin(self, person: Person, app_metadata: dict[str, Any]) -> None:
        person.user_id = await self._admin.make(person.email, person.password, app_metadata)
        self.remember(person)
