"""Named queries of the contract, by the read-only database role (capability `sql`)."""

from __future__ import annotations

from typing import Any

from assertionengine import AssertionOperator
from robot.api.deco import library
from robot_run.keywords import checked, step
from robot_run.lifecycle import the_run


@library(scope="GLOBAL", version="1.0.0")
class InspectionLibrary:
    """Runs the named queries of `variables/contract.yaml`; without the capability ``sql`` the test is skipped."""

    @step(tags=("needs-sql",))
    async def query(self, name: str, **equal: Any) -> list[dict[str, Any]]:
        """Returns the rows of a named query, each a dictionary of its columns.

        - ``equal``: columns and the values that they must have; a list means any of its values.

        | @{chunks} =    Query    chunks    document_id=${upload.document_id}
        """
        return await the_run().database.rows(name, **equal)

    @step(tags=("needs-sql",))
    async def get_column(
        self,
        name: str,
        column: str,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        *,
        message: str | None = None,
        **equal: Any,
    ) -> Any:
        """Returns one column of a named query, a list with a value per row; identifiers and times are text.

        | Get Column    documents    user_id    ==    ${{[$alice.user_id]}}    document_id=${upload.document_id}
        """
        rows = await the_run().database.rows(name, **equal)
        values = [row[column] if isinstance(row[column], int | float) else str(row[column]) for row in rows]
        what = f"{column} of named query '{name}'"
        return checked(values, assertion_operator, assertion_expected, what, message=message)
