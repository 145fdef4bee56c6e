"""The only look into the database: the named queries of the contract, by a read-only role (capability `sql`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from acceptance.deployment.contract import Contract
from acceptance.deployment.descriptor import Descriptor
from acceptance.errors import CapabilityMissing, NotOffered, violation

Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Row]


class DatabaseInspector:
    """Runs named queries, each within `timeout` seconds; a database that does not answer raises AssertionError."""

    def __init__(self, descriptor: Descriptor, contract: Contract, timeout: float = 10.0) -> None:
        self._descriptor = descriptor
        self._contract = contract
        self._timeout = timeout

    async def rows(self, query: str, *, columns: Sequence[str] = (), **equal: object) -> list[Row]:
        """Rows of a named query.

        Args:
            query: its name in the contract.
            columns: the result columns that are wanted; default: all.
            equal: result columns and the values that they must have; a list means any of its values.

        Raises:
            CapabilityMissing: the descriptor does not list `sql`.
            AssertionError: the database cannot be reached, or refuses the query.
        """
        with _query_errors(query):
            async with await self.connect() as connection:
                return await self.rows_over(connection, query, columns=columns, **equal)

    async def rows_over(
        self, connection: Connection, query: str, *, columns: Sequence[str] = (), **equal: object
    ) -> list[Row]:
        """The same over a connection that is open already, for a look at this very moment."""
        text = self._text(query)
        conditions = [SQL("{}::text = any(%s)").format(Identifier(column)) for column in equal]
        values = [[str(one) for one in value] if isinstance(value, list) else [str(value)] for value in equal.values()]
        where = SQL(" where ") + SQL(" and ").join(conditions) if conditions else SQL("")
        wanted = SQL(", ").join(map(Identifier, columns)) if columns else SQL("*")
        statement = SQL("select ") + wanted + SQL(" from (") + SQL(text) + SQL(") as named") + where
        with _query_errors(query):
            return await (await connection.execute(statement, values)).fetchall()

    async def counts_over(self, connection: Connection, query: str, column: str) -> dict[str, int]:
        """How many rows of a named query have which value in a column."""
        by, text = Identifier(column), SQL(self._text(query))
        statement = (
            SQL("select {0}::text as value, count(*) as rows from (").format(by) + text + SQL(") as named group by 1")
        )
        with _query_errors(query):
            return {str(row["value"]): row["rows"] for row in await (await connection.execute(statement)).fetchall()}

    def _text(self, query: str) -> str:
        """The SQL of a named query; that it is absent says nothing of the application: we cannot look."""
        try:
            return self._contract.queries[query]
        except NotOffered:
            raise CapabilityMissing("sql", f"whose query '{query}' the contract marks absent") from None

    async def connect(self) -> Connection:
        """A connection of the read-only role, in autocommit."""
        self._descriptor.need("sql")
        database = self._descriptor.services.database
        if database is None:
            raise CapabilityMissing("sql")
        return await psycopg.AsyncConnection.connect(
            host=database.host, port=database.port, dbname=database.name, user=database.user, sslmode=database.sslmode,
            password=self._descriptor.secret("database_password").get_secret_value(),
            connect_timeout=max(2, int(self._timeout)), options=f"-c statement_timeout={int(self._timeout * 1000)}",
            application_name="acceptance", autocommit=True, prepare_threshold=None, row_factory=dict_row,
        )  # fmt: skip


@contextmanager
def _query_errors(query: str) -> Iterator[None]:
    """What the database refuses is the deployment's fault."""
    try:
        yield
    except psycopg.Error as error:
        seen = f"{type(error).__name__}: {error}".strip()
        raise violation(f"named query '{query}'", expected="rows", observed=seen) from None
