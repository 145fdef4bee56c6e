"""The people of a run: users that it makes, signs in, and removes again."""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from acceptance.client import Answer
from acceptance.errors import ConfigurationError, EnvironmentUnavailable, violation

if TYPE_CHECKING:
    from acceptance.run import Run


@dataclass
class Person:
    """A user and what they hold just now; tokens are kept out of what is printed."""

    email: str
    password: str = field(repr=False)
    user_id: str = ""
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_in: float = 0.0
    signed_in_at: float = 0.0

    def take(self, answer: Answer) -> None:
        """Hold the session of a signup, login or refresh answer."""
        self.user_id = answer["user_id"]
        self.access_token = answer["access_token"]
        self.refresh_token = answer["refresh_token"]
        self.expires_in = float(answer["expires_in"])
        self.signed_in_at = time.time()


class People:
    """Makes users as the descriptor says (`users: signup | admin-api | pool`), and removes what it made."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._made: list[Person] = []

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
        self._remember(person)
        return answer

    async def sign_in(self, person: Person) -> Answer:
        """Log in; the person holds the new session. The session must be the person's own."""
        answer = await self._run.client.call("login", body={"email": person.email, "password": person.password})
        if answer["email"] != person.email:
            raise violation("login", expected=f"a session of {person.email}", seen=answer["email"], look=answer.look)
        person.take(answer)
        return answer

    async def remove_all(self) -> list[str]:
        """Remove every user that this run made; returns one line for each that could not be."""
        left = []
        for person in self._made:
            if "admin-api" in self._run.descriptor.capabilities:
                status = (await self._admin("DELETE", f"/admin/users/{person.user_id}")).status_code
                if status not in (200, 204, 404):
                    left.append(f"user {person.email} could not be removed: status {status}")
            else:
                left.append(f"user {person.email} stays: no admin-api")
        self._made.clear()
        return left

    async def _make_by_admin(self, person: Person, app_metadata: dict[str, Any]) -> None:
        body = {"email": person.email, "password": person.password, "email_confirm": True, "app_metadata": app_metadata}
        response = await self._admin("POST", "/admin/users", body)
        if response.status_code not in (200, 201):
            raise EnvironmentUnavailable(
                f"admin API made no user: status {response.status_code}, {response.text[:200]}"
            )
        person.user_id = response.json()["id"]
        self._remember(person)

    async def _admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        self._run.descriptor.need("admin-api")
        key = self._run.descriptor.secret("service_role_key").get_secret_value()
        url = self._run.descriptor.services.authentication.url + path
        headers = {"apikey": key, "authorization": f"Bearer {key}"}
        try:
            async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
                return await http.request(method, url, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise EnvironmentUnavailable(f"admin API: {method} {path}: {type(error).__name__} {error}") from None

    def _remember(self, person: Person) -> None:
        self._made.append(person)
        self._run.created("user", person.user_id)
