"""Faults of a PostgreSQL by an operator's role: each ends when our own connections do, at the latest with this process.

Its connections carry the fault's identifier as their application name, by which any later process finds and ends them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import Any

import psycopg
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

from acceptance.deployment.descriptor import Descriptor, FaultDatabase
from acceptance.errors import EnvironmentUnavailable, SuiteError, error_text, one_line
from acceptance.faults.model import Fault, Proof

TARGET = "database"
CONNECT_SECONDS = 5
STATEMENT_MILLISECONDS = 10_000
LOCK_MILLISECONDS = 5_000
MOST_CONNECTIONS = 1000
NAME_CHARACTERS = 60  # of an application name, which the server cuts at 63

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_KINDS: Mapping[str, Mapping[str, type]] = {
    "terminate_backends": {"role": str},
    "lock_table": {"table": str},
    "fill_pool": {"connections": int},
}
_REQUIRED = {"lock_table": ("table",)}

# Those of the application: of clients, in this database, and neither ours nor the inspecting role's.
_BACKENDS = """
    select pid from pg_stat_activity
    where backend_type = 'client backend' and datname = current_database() and pid <> pg_backend_pid()
      and application_name not like 'acceptance%%'
      and case when %(role)s::text is null then usename <> all(%(others)s) else usename = %(role)s end
"""


class OperatorDatabase:
    """Terminates backends, locks a table, or fills the connection slots.

    `fill_pool` holds a transaction in each connection, so that a pooler in front cannot share it.
    """

    name = "database"

    def __init__(self, descriptor: Descriptor, access: FaultDatabase) -> None:
        self._descriptor, self._access = descriptor, access
        self._held: dict[str, list[Connection]] = {}

    async def kinds(self) -> Mapping[str, Sequence[str]]:
        return {TARGET: tuple(_KINDS)}

    def heals(self, kind: str, target: str) -> bool:
        return True

    def by_hand(self, fault: Fault) -> str:
        name = _application(fault)
        return f"select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{name}'"

    async def prepare(self, fault: Fault) -> Fault:
        known = _KINDS[fault.kind]
        missing = [name for name in _REQUIRED.get(fault.kind, ()) if name not in fault.parameters]
        if unknown := [*fault.parameters.keys() - known.keys()] or missing:
            raise SuiteError(f"{fault}: {', '.join(unknown)}: its parameters are {', '.join(known)}")
        if wrong := [name for name, value in fault.parameters.items() if type(value) is not known[name]]:
            raise SuiteError(f"{fault}: {wrong[0]}: expected a value of type {known[wrong[0]].__name__}")
        if not 1 <= fault.parameters.get("connections", 1) <= MOST_CONNECTIONS:
            raise SuiteError(f"{fault}: connections: expected 1 to {MOST_CONNECTIONS}")
        if fault.kind != "terminate_backends":
            return fault
        async with self._brief(fault) as connection:
            backends = await self._backends(connection, fault)
        if not backends:
            raise EnvironmentUnavailable(f"{fault}: the application has no connection that could be terminated")
        return replace(fault, state={"backends": backends})

    async def inject(self, fault: Fault) -> None:
        held = self._held.setdefault(fault.id, [])
        if fault.kind == "terminate_backends":
            async with self._brief(fault) as connection:
                await connection.execute("select pg_terminate_backend(pid) from unnest(%s::int[]) pid", [
                    fault.state["backends"]
                ])  # fmt: skip
        elif fault.kind == "lock_table":
            with _reported(fault):
                held.append(await self._connect(fault, lease=True))
                await held[0].execute("begin")
                await held[0].execute(f"set local lock_timeout = {LOCK_MILLISECONDS}")
                await held[0].execute(SQL("lock table {} in access exclusive mode").format(_table(fault)))
        else:
            await self._fill(fault, held)

    async def _fill(self, fault: Fault, held: list[Connection]) -> None:
        for _ in range(fault.parameters.get("connections", MOST_CONNECTIONS)):
            try:
                held.append(await self._connect(fault, lease=True))
                await held[-1].execute("begin")
                await held[-1].execute("select 1")
            except psycopg.OperationalError as error:
                if not held:
                    raise EnvironmentUnavailable(f"{fault}: {one_line(error_text(error))}") from None
                return  # the slots are full

    async def renew(self, fault: Fault) -> None:
        with _reported(fault):
            await asyncio.gather(*(connection.execute("select 1") for connection in self._held.get(fault.id, ())))

    async def prove(self, fault: Fault) -> Proof:
        held = self._held.get(fault.id, [])
        if fault.kind == "terminate_backends":
            async with self._brief(fault) as connection:
                left = await _alive(connection, fault.state["backends"])
            gone = len(fault.state["backends"]) - left
            return Proof(left == 0, f"{gone} of {gone + left} backends of the application have ended", gone)
        if fault.kind == "lock_table":
            if not held:
                return Proof(False, "no connection of this process holds the lock")
            async with self._brief(fault) as connection:
                found = await connection.execute(
                    "select count(*) filter (where l.granted and l.mode = 'AccessExclusiveLock'),"
                    " (select count(*) from pg_stat_activity a where %(pid)s = any(pg_blocking_pids(a.pid)))"
                    " from pg_locks l where l.pid = %(pid)s and l.relation = %(table)s::regclass",
                    {"pid": held[0].info.backend_pid, "table": fault.parameters["table"]},
                )
                row = await found.fetchone()
            locks, waiting = row or (0, 0)
            what = f"{'holds' if locks else 'holds no'} AccessExclusiveLock on {fault.parameters['table']}"
            return Proof(bool(locks), f"backend {held[0].info.backend_pid} {what}; {waiting} wait for it", waiting)
        alive = [connection for connection in held if not connection.closed]
        refusal = await self._refusal(fault)
        wanted = fault.parameters.get("connections")
        evidence = f"{len(alive)} connections are held; another one {refusal or 'is taken'}"
        return Proof(bool(alive) and (bool(refusal) or len(alive) == wanted), evidence, len(alive))

    async def _refusal(self, fault: Fault) -> str:
        """How the server refuses one more connection; nothing where it takes it."""
        try:
            await (await self._connect(fault)).close()
        except psycopg.Error as error:
            return f"is refused: {one_line(error_text(error))}"
        return ""

    async def roll_back(self, fault: Fault) -> None:
        for connection in self._held.pop(fault.id, []):
            with suppress(psycopg.Error, OSError):
                await connection.close()
        async with self._brief(fault) as connection:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = %s and pid <> pg_backend_pid()",
                [_application(fault)],
            )

    async def prove_gone(self, fault: Fault) -> Proof:
        async with self._brief(fault) as connection:
            found = await connection.execute(
                "select count(*) from pg_stat_activity where application_name = %s", [_application(fault)]
            )
            row = await found.fetchone()
        count = row[0] if row else 0
        return Proof(bool(count), f"{count} connections of it are left")

    async def close(self) -> None:
        for held in self._held.values():
            for connection in held:
                with suppress(psycopg.Error, OSError):
                    await connection.close()
        self._held = {}

    async def _backends(self, connection: Connection, fault: Fault) -> list[int]:
        inspecting = self._descriptor.services.database
        others = [self._access.user, *([inspecting.user] if inspecting is not None else [])]
        found = await connection.execute(_BACKENDS, {"role": fault.parameters.get("role"), "others": others})
        return [int(row[0]) for row in await found.fetchall()]

    @asynccontextmanager
    async def _brief(self, fault: Fault) -> AsyncIterator[Connection]:
        """A connection of its own for one look or act."""
        with _reported(fault):
            connection = await self._connect(None)
            try:
                yield connection
            finally:
                await connection.close()

    async def _connect(self, fault: Fault | None, *, lease: bool = False) -> Connection:
        """A connection of the operator's role; one with a lease ends where it is not renewed."""
        options = f"-c statement_timeout={STATEMENT_MILLISECONDS}"
        if fault is not None and lease:
            options += f" -c idle_in_transaction_session_timeout={int(fault.lease * 1000)}"
        access = self._access
        return await psycopg.AsyncConnection.connect(
            host=access.host, port=access.port, dbname=access.name, user=access.user, sslmode=access.sslmode,
            password=self._descriptor.secret(access.password).get_secret_value(), connect_timeout=CONNECT_SECONDS,
            options=options, application_name=_application(fault) if fault and lease else "acceptance operator",
            autocommit=True, prepare_threshold=None, row_factory=tuple_row,
        )  # fmt: skip


async def _alive(connection: Connection, backends: Sequence[int]) -> int:
    found = await connection.execute(
        "select count(*) from pg_stat_activity where pid = any(%s) and backend_type = 'client backend'",
        [list(backends)],
    )
    row = await found.fetchone()
    return int(row[0]) if row else 0


def _application(fault: Fault) -> str:
    return f"acceptance fault {fault.id[-40:]}"[:NAME_CHARACTERS]


def _table(fault: Fault) -> Identifier:
    return Identifier(*str(fault.parameters["table"]).split("."))


@contextmanager
def _reported(fault: Fault) -> Iterator[None]:
    """What the database refuses of us says nothing of the application."""

    try:
        yield
    except (psycopg.Error, OSError) as error:
        raise EnvironmentUnavailable(f"{fault}: by the operator's role: {one_line(error_text(error))}") from None
