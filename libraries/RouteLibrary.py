"""Calls by the contract: any route by its name, with any credential, and the exact outcome expected."""

from __future__ import annotations

from typing import Any

from acceptance.clients.http import Response
from acceptance.deployment.contract import Kind, pick
from assertionengine import AssertionOperator
from robot.api.deco import keyword, library
from robot_run.keywords import Actor, checked, step, user_named
from robot_run.lifecycle import the_run


@library(scope="GLOBAL", version="1.0.0")
class RouteLibrary:
    """Calls routes of `variables/contract.yaml` by name, and reads responses and the contract."""

    @step()
    async def call_route(
        self,
        route: str,
        *,
        expected: int | str = "success",
        user: Actor = None,
        body: dict[str, Any] | None = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        **path: object,
    ) -> Response:
        """Calls a route and checks that the response is the contract's.

        - ``expected``: ``success``, a status, a refusal of the contract such as ``unknown_identifier``, or the kind of
          credential it is refused for, such as ``other_user``.
        - ``user``: whose token is sent; the active user on routes that are not public.
        - ``body``, ``query``: the contract's words and their values.
        - ``path``: values for the braces of the route's path.

        | Call Route    document_status    document_id=${upload.document_id}    user=Bob    expected=other_user
        | ${limits} =    Call Route    limits
        """
        run = the_run()
        kind = run.contract.route(route).kind
        token = user_named(user).access_token if user is not None or kind in ("user", "owner") else None
        return await run.client.call(
            route, status=expected, token=token, path=path, body=body, query=query, headers=headers
        )

    @keyword
    def get_routes(self, kind: Kind | None = None, *, method: str | None = None, word: str | None = None) -> list[str]:
        """Returns names of the contract's routes; fails where there is none.

        - ``kind``: ``public``, ``user``, ``owner`` or ``signature``.
        - ``method``: such as ``GET``.
        - ``word``: one that stands in braces in the path, such as ``document_id``.

        | @{routes} =    Get Routes    owner    word=document_id
        """
        found = [
            name
            for name, route in the_run().contract.routes.items()
            if kind in (None, route.kind)
            and method in (None, route.method)
            and (not word or f"{{{word}}}" in route.path)
        ]
        if not found:
            raise ValueError(f"the contract has no route of kind {kind}, method {method}, with {word} in its path")
        return found

    @keyword
    def get_response_field(
        self,
        response: Response,
        field: str,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
    ) -> Any:
        """Returns a field of a response by the contract's word for it.

        - ``field``: of a success as in the route's ``answer``; of an error ``code``, ``message``, ``request_id``; of a
          duplicate ``error_type``, ``message``, ``document_title``, ``last_uploaded``. Fails where it is missing.

        | Get Response Field    ${response}    status    ==    complete
        | Get Response Field    ${refusal}    code    ==    invalid_credentials
        """
        value = the_run().client.field_of(response, field)
        what = f"{field} of {response.route}"
        return checked(value, assertion_operator, assertion_expected, what, message=message, look=response.look)

    @keyword
    def get_contract_value(
        self,
        path: str,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
    ) -> Any:
        """Returns a value of the contract by its dotted path.

        | ${characters} =    Get Contract Value    limits.filename_characters
        | @{statuses} =    Get Contract Value    jobs.statuses
        """
        value = pick(the_run().contract.model_dump(), path)
        return checked(value, assertion_operator, assertion_expected, f"{path} of the contract", message=message)
