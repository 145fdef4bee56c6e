"""Named queries of the contract, by the read-only database role (capability `sql`)."""

from __future__ import annotations

from typing import Any

from acceptance.checks import consistency, deletion
from acceptance.checks.deletion import Removal
from acceptance.clients.database import Row
from acceptance.errors import violation
from robot.api.deco import library
from robot_run.keywords import Observed, getter, step
from robot_run.lifecycle import the_run


@library(scope="GLOBAL", version="1.0.0")
class InspectionLibrary:
    """Runs the named queries of `variables/contract.yaml`; without the capability ``sql`` the test is skipped."""

    @step(tags=("needs-sql",))
    async def query(self, name: str, **equal: Any) -> list[Row]:
        """Returns the rows of a named query, each a dictionary of its columns.

        - ``equal``: columns and the values that they must have; a list means any of its values.

        | @{chunks} =    Query    chunks    document_id=${upload.document_id}
        """
        return await the_run().database.rows(name, **equal)

    @step(tags=("needs-sql",))
    async def get_row(self, name: str, **equal: Any) -> Row:
        """Returns the only row of a named query; fails where there is none, or more than one.

        | ${row} =    Get Row    documents    document_id=${upload.document_id}
        | Should Be Equal    ${row}[filename]    ${upload.payload.filename}
        """
        rows = await the_run().database.rows(name, **equal)
        if len(rows) != 1:
            raise violation(f"named query '{name}' with {equal}", expected="one row", observed=f"{len(rows)} rows")
        return rows[0]

    @getter()
    def get_column(self, rows: list[Row], column: str) -> Observed:
        """Returns one column of rows, a value per row; identifiers and times are text.

        | @{chunks} =    Query    chunks    document_id=${upload.document_id}
        | Get Column    ${chunks}    chunk_id    contains    ${source}
        """
        values = [_plain(row[column]) for row in rows]
        return Observed(values, f"column {column}")

    @step(within=60)
    async def get_deletion(self) -> Removal:
        """Returns a user with two documents who deleted one: the same in each test of the run.

        It has ``owner``; ``gone`` and ``stays``, each with ``upload``, ``facts`` and ``answer``; and, with ``sql``,
        ``gone_held`` and ``stays_held``: identifiers of the rows that each had, by named query.

        | ${deletion} =    Get Deletion
        """
        return await deletion.removal(the_run())

    @getter(tags=("needs-sql",))
    async def get_stored_identifiers(self, identifiers: dict[str, list[str]]) -> Observed:
        """Returns which of these rows the database holds now, by named query: ``documents``, ``jobs``, ``chunks``, ….

        | Get Stored Identifiers    ${deletion.stays_held}    ==    ${deletion.stays_held}
        """
        found = await deletion.rows_with(the_run(), identifiers)
        return Observed(found, "rows of the document")

    @getter(tags=("needs-sql",))
    async def get_orphans(self, *, naming: dict[str, list[str]] | None = None) -> Observed:
        """Returns the rows that belong to nothing, as ``kind: identifier``; all, or those naming these identifiers.

        | Get Orphans    ==    ${NO PROBLEMS}    naming=${deletion.gone_held}
        """
        own = {identifier for identifiers in (naming or {}).values() for identifier in identifiers}
        found = [
            f"{row['kind']}: {row['id']}"
            for row in await the_run().database.rows("orphans")
            if naming is None or any(one in str(row["id"]) for one in own)
        ]
        return Observed(found, "orphans")

    @step(tags=("needs-sql",))
    async def wait_until_no_job_is_working(self) -> None:
        """Waits until every job of the run has ended; fails naming those that have not.

        | Wait Until No Job Is Working
        """
        await consistency.no_job_is_working(the_run())

    @getter(tags=("needs-sql",))
    async def get_contradictions(self) -> Observed:
        """Returns what does not belong together in all that the run left, a line each: orphans, missing vectors, ….

        | Get Contradictions    ==    ${NO PROBLEMS}
        """
        found = await consistency.what_contradicts(the_run())
        return Observed(found, "what is left")


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float) else str(value)
