"""Defects of outages of the database and of authentication."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine, Mapping
from typing import Any, LiteralString
from uuid import UUID

import jwt
import psycopg

from sandbox.app import access, auth, documents, errors, health, jobs, tokens
from sandbox.app.access import Services
from sandbox.app.database import Database, Row
from sandbox.app.errors import ApiError, Unavailable
from sandbox.app.tokens import Identity
from sandbox.defects import defect, mark_active, patch
from sandbox.worker import main as worker

STAYS_AWAY = dict.fromkeys((f"ERR-{n:02}" for n in range(2, 9)), "what failed once does not come back")
FAILURES_OF_A_POOL = 4


@defect("database-outage-is-an-empty-list", "ERR", must=["ERR-01"], may={"ERR-04": "its database may be cut off there"})
def database_outage_is_an_empty_list() -> None:
    """While the database is away, a token that verifies is enough, and lists are empty, with 200."""
    is_active, read_all, read_one = access.session_is_active, Database.all, Database.one
    lists = (jobs.OWN_JOBS, documents.OWN_DOCUMENTS)

    async def trusting(database: Database, session_id: UUID, user_id: UUID) -> bool:
        try:
            return await is_active(database, session_id, user_id)
        except Unavailable:
            return True

    async def forgiving(self: Database, query: LiteralString, /, **parameters: Any) -> list[Row]:
        try:
            return await read_all(self, query, **parameters)
        except Unavailable:
            if query not in lists:
                raise
            mark_active()
            return []

    async def uncounted(self: Database, query: LiteralString, /, **parameters: Any) -> Row | None:
        try:
            return await read_one(self, query, **parameters)
        except Unavailable:
            if query != jobs.COUNT_OWN_JOBS:
                raise
            return {"total": 0}

    patch(access, "session_is_active", trusting)
    patch(Database, "all", forgiving)
    patch(Database, "one", uncounted)


@defect("database-outage-is-a-fault", "ERR", must=["ERR-01"], may={"ERR-04": "its database may be cut off there"})
def database_outage_is_a_fault() -> None:
    """The exception of a database that is away is not handled, and the response is 500."""
    unavailable = errors.unavailable

    def fault(error: Unavailable) -> ApiError:
        if error.service != "database":
            return unavailable(error)
        mark_active()
        return errors.internal()

    patch(errors, "unavailable", fault)


@defect("dead-connections-stay-in-the-pool", "ERR", must=["ERR-01"], may={**STAYS_AWAY, "INT-14": "uploads stay begun"})
def dead_connections_stay_in_the_pool() -> None:
    """Connections that failed are never replaced: when all have, an API instance has no database until a restart."""
    begin, with_connection = Database.__init__, Database._with_connection
    of_the_api: set[Database] = set()
    failed: Counter[Database] = Counter()

    def init(self: Database, dsn: str, application: str, size: int = 10) -> None:
        begin(self, dsn, application, size)
        if application.startswith("api"):
            of_the_api.add(self)

    async def used_up(self: Database, work: Any) -> Any:
        if failed[self] >= FAILURES_OF_A_POOL:
            mark_active()
            raise Unavailable("database")
        try:
            return await with_connection(self, work)
        except Unavailable:
            failed[self] += self in of_the_api
            raise

    patch(Database, "__init__", init)
    patch(Database, "_with_connection", used_up)


@defect("worker-stops-with-the-database", "ERR", must=["ERR-01"], may={**STAYS_AWAY, "INT-14": "jobs stay begun"})
def worker_stops_with_the_database() -> None:
    """The worker's loop ends with the first error of the database, while its heartbeat goes on."""
    keep = worker.Worker._keep

    async def once(self: worker.Worker, duty: Any) -> None:
        if duty.__name__ != "_work":
            return await keep(self, duty)
        try:
            await duty()
        except (Unavailable, psycopg.Error):
            mark_active()
            await asyncio.Event().wait()

    patch(worker.Worker, "_keep", once)


@defect("auth-outage-is-a-wrong-password", "ERR", must=["ERR-06"], may={"ERR-04": "authentication is cut off there"})
def auth_outage_is_a_wrong_password() -> None:
    """Whatever goes wrong at sign-in is answered as wrong credentials, an outage of authentication as well."""
    ask = auth.ask

    async def blame(
        services: Services, path: str, body: object = None, headers: Mapping[str, str] = {}
    ) -> dict[str, Any]:
        try:
            return await ask(services, path, body, headers)
        except Unavailable:
            mark_active()
            raise ApiError(*auth.REFUSALS["invalid_credentials"]) from None

    patch(auth, "ask", blame)


@defect("auth-outage-lets-in", "ERR", must=["ERR-06"], may={"ERR-04": "authentication is cut off there"})
def auth_outage_lets_in() -> None:
    """A token that does not verify is looked up at authentication; when that is away, its bearer is let in."""
    identify = access.identify

    async def fail_open(token: str, services: Services) -> Identity:
        try:
            return await identify(token, services)
        except ApiError:
            if not token or await is_there(services):
                raise
            mark_active()
            return claimed(token)

    patch(access, "identify", fail_open)


async def is_there(services: Services) -> bool:
    """Whether authentication answers."""
    try:
        return await health._ask(services, f"{services.settings.auth_link}/health", services.settings.anon_key)
    except Exception:  # noqa: BLE001 as the code that is imitated does
        return False


def claimed(token: str) -> Identity:
    """What a token says of itself, unverified."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        return Identity(UUID(claims["sub"]), str(claims["email"]), UUID(claims["session_id"]), 4_000_000_000.0)
    except (jwt.InvalidTokenError, KeyError, ValueError):
        return Identity(UUID(int=0), "guest@localhost", UUID(int=0), 4_000_000_000.0)


@defect("sessions-end-with-authentication", "ERR", must=["ERR-06"], may={"ERR-04": "authentication is cut off there"})
def sessions_end_with_authentication() -> None:
    """Each request asks authentication about its token, so an outage signs everyone out, with 401."""
    identify = access.identify

    async def introspect(token: str, services: Services) -> Identity:
        identity = await identify(token, services)
        if not await is_there(services):
            mark_active()
            raise errors.unauthorized()
        return identity

    patch(access, "identify", introspect)


@defect("health-does-not-ask-authentication", "ERR", must=["ERR-06"])
def health_does_not_ask_authentication() -> None:
    """The health document calls authentication healthy without asking it."""
    probe = health.probe

    async def lie(services: Services) -> health.Findings:
        conditions, workers = await probe(services)
        if conditions["authentication"] != "healthy":
            mark_active()
        return {**conditions, "authentication": "healthy"}, workers

    patch(health, "probe", lie)


@defect("health-waits-for-what-is-silent", "ERR", must=["ERR-04"], may={"ERR-01": "the database may be silent too"})
def health_waits_for_what_is_silent() -> None:
    """The health document comes when the slowest dependency has answered, or its connection has been given up."""
    ask = health._try

    async def patient(check: Coroutine[Any, Any, Any]) -> Any:
        begin = time.monotonic()
        found = await ask(check)
        if time.monotonic() - begin > 2:
            mark_active()
        return found

    patch(health, "CHECK_SECONDS", 8.0)
    patch(health, "_try", patient)


@defect("expired-tokens-live-through-an-outage", "ERR", must=["ERR-06"])
def expired_tokens_live_through_an_outage() -> None:
    """While authentication is away, and no session can be refreshed, expired tokens are accepted too."""
    identify, decode = access.identify, tokens.decode

    def lenient(token: str, secret: str) -> dict[str, Any]:
        return jwt.decode(
            token, secret, algorithms=tokens.ALGORITHMS, audience=tokens.AUDIENCE, options={"verify_exp": False}
        )

    async def patient(token: str, services: Services) -> Identity:
        try:
            return await identify(token, services)
        except ApiError:
            if not token or await is_there(services):
                raise
            tokens.decode = lenient
            try:
                identity = tokens.verify(token, services.settings.jwt_secret)
            finally:
                tokens.decode = decode
            mark_active()
            return identity

    patch(access, "identify", patient)
