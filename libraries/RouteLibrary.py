"""Calls by the contract: any route by its name, with any credential, and the exact outcome expected."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any, Literal

from acceptance.checks import authorization, signed_urls, undescribed_routes, webhooks
from acceptance.checks.fixtures import UserData
from acceptance.checks.forged_tokens import Kind as Credential
from acceptance.clients.http import Response
from acceptance.deployment.contract import MISSING, Kind, Offered, standard, words_in
from acceptance.errors import NotOffered, SuiteError
from acceptance.polling import together
from acceptance.uploads import Upload
from robot.api.deco import library
from robot_run.keywords import Actor, Observed, getter, keyword, step, user_named
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
        content: str | None = None,
        **path: object,
    ) -> Response:
        """Calls a route and checks that the response is the contract's.

        - ``expected``: ``success``, a status, a refusal of the contract such as ``unknown_identifier``, or the kind of
          credential it is refused for, such as ``other_user``.
        - ``user``: whose token is sent; the active user on routes that are not public.
        - ``body``, ``query``: the contract's words and their values; ``content`` is sent as it is in place of a body.
        - ``path``: values for the braces of the route's path.

        | Call Route    document_status    document_id=${upload.document_id}    user=Bob    expected=other_user
        | ${limits} =    Call Route    limits
        """
        run = the_run()
        kind = run.contract.route(route).kind
        token = user_named(user).access_token if user is not None or kind in ("user", "owner") else None
        return await run.client.call(
            route, status=expected, token=token, path=path, body=body, query=query, headers=headers,
            content=None if content is None else content.encode(),
        )  # fmt: skip

    @step()
    async def call_route_concurrently(
        self, route: str, *users: str, times: int = 4, expected: int | str = "success", **path: object
    ) -> dict[str, list[Response]]:
        """Calls a route several times for each user, everything at the same moment, and checks each response.

        - ``users``: names of users whose tokens are sent.
        - ``times``: calls for each user; several connections may reach several instances of the deployment.
        - ``expected``, ``path``: see `Call Route`.

        Returns the responses of each user, by name.

        | &{responses} =    Call Route Concurrently    user    Alice    Bob    times=4
        """
        run = the_run()
        calls = [
            run.client.call(route, status=expected, token=user_named(user).access_token, path=path)
            for user in users
            for _ in range(times)
        ]
        if not calls:
            raise SuiteError("no call: name at least one user")
        responses = await together(*calls)
        return {user: responses[n * times : (n + 1) * times] for n, user in enumerate(users)}

    @step(within=120)
    async def call_route_with_forged_tokens(
        self,
        route: str,
        credential: Credential,
        *,
        data: authorization.Target,
        other: Actor = None,
        expected: int | str,
        most: int | None = None,
    ) -> list[int]:
        """Calls a route or WebSocket with every forged token of a kind; each call must end as expected.

        Over WebSockets each token is sent in the address and in the first message. Other routes get a body that they
        would accept with a good token.

        - ``route``: as in the contract, or ``WebSocket job`` and ``WebSocket workflow``.
        - ``data``: see `Get Target`; forgeries are made of its owner's tokens, and it fills the path.
        - ``other``: the user whose token a credential of the kind ``other_user`` is.
        - ``expected``: see `Call Route`; of a WebSocket the close code, before any event.
        - ``most``: send so many forgeries of the kind, not all.

        Returns the status or close code of each call.

        | Call Route With Forged Tokens    documents    alg_none    data=${data}    expected=401
        | Call Route With Forged Tokens    WebSocket job    expired    data=${data}    expected=4401
        """
        run = the_run()
        status = int(expected) if str(expected).isdigit() else run.contract.status_of(route, expected)
        return await authorization.call_with_forged(run, route, credential, data, user_named(other), status, most)

    @step(within=120)
    async def send_webhook(
        self,
        upload: Upload,
        event: str,
        *,
        signature: Literal["valid", "none", "garbage", "wrong_signature"] = "valid",
        expected: int | str = "success",
        times: int = 1,
    ) -> list[int]:
        """Sends a webhook of the parser for the job of an upload; each must end as expected.

        - ``event``: such as ``parse.success``.
        - ``signature``: ``valid`` needs the capability ``webhook-secret``; of another kind every forgery is sent, each
          with the token of the upload's owner.
        - ``times``: send the valid one several times at the same moment.

        Returns the status of each.

        | Send Webhook    ${upload}    parse.success    times=5
        | Send Webhook    ${upload}    parse.error    signature=garbage    expected=garbage
        """
        run = the_run()
        if signature == "valid":
            return await webhooks.send_signed(run, upload, event, times, run.contract.status_of("webhook", expected))
        status = run.contract.status_of("webhook", expected)
        return await webhooks.send_forged(run, upload, event, signature, status)

    @step(within=120)
    async def repeat_webhook_until_processed(self, upload: Upload, event: str, *, times: int = 5) -> int:
        """Sends valid webhooks, several at the same moment, again and again until the document is complete.

        Needs the capability ``webhook-secret``. Returns the number of webhooks, each of which was accepted.

        | ${sent} =    Repeat Webhook Until Processed    ${upload}    parse.success
        """
        return await webhooks.repeat_until_processed(the_run(), upload, event, times)

    @step(within=120)
    async def send_bytes_to_forged_addresses(
        self, upload: Upload, credential: str, *, other: Upload, expected: int | str
    ) -> list[int]:
        """Sends the bytes of an upload to every address of a kind that is forged from its own.

        - ``credential``: ``none``, ``garbage``, ``wrong_signature`` or ``other_path``.
        - ``other``: an upload whose signature is used for ``other_path``.

        Returns the status of each.

        | Send Bytes To Forged Addresses    ${upload}    garbage    other=${second}    expected=garbage
        """
        run = the_run()
        status = run.contract.status_of("upload_bytes", expected)
        return await signed_urls.send_to_forged(run, upload, credential, other, status)

    @keyword()
    def get_matrix_size(self) -> int:
        """Returns how many pairs of a route or WebSocket and a bad credential the contract has to refuse.

        Fails where the contract misses one, or has a route, a WebSocket or a credential that cannot be called here.

        | ${cells} =    Get Matrix Size
        """
        return len(authorization.matrix(the_run().contract))

    @keyword()
    def get_refusals(self, credential: Credential, *, of: authorization.Target | None = None) -> dict[str, int]:
        """Returns the status, or close code, with which each route and WebSocket refuses a kind of credential.

        Routes that change something come last. Routes that take signatures are not among them.

        - ``of``: see `Get Target`; only those for whose path it has real identifiers.

        | &{refusals} =    Get Refusals    expired
        | FOR    ${route}    ${status}    IN    &{refusals}
        """
        _leave_out_absent_routes()
        run, known = the_run(), authorization.OBJECTS
        if of is not None:
            owned = ((name, route.path) for name, route in run.contract.routes.items() if route.kind == "owner")
            other = [name for name, path in owned if {*words_in(path)} - known]
            run.context.left_out |= {f"routes.{name}.refuses.{credential}" for name in other}
        return authorization.refusals(run.contract, credential, of)

    @keyword("Get WebSockets")
    def get_websockets(self, *, of: authorization.Target | None = None) -> list[str]:
        """Returns the names of the contract's WebSockets, such as ``job``.

        - ``of``: see `Get Target`; only those for whose path it has real identifiers.

        | @{kinds} =    Get WebSockets
        """
        run = the_run()
        sockets = authorization.sockets(run.contract) if run.is_offered("realtime") else {}
        if not sockets:
            raise NotOffered("realtime")
        names = [name for name, path in sockets.items() if of is None or of.has(path)]
        return [name.removeprefix(authorization.SOCKET) for name in names]

    @keyword()
    def get_routes(
        self,
        *kinds: Kind,
        method: str | None = None,
        word: str | None = None,
        of: authorization.Target | UserData | None = None,
    ) -> list[str]:
        """Returns names of the contract's routes, those that delete last; where none is offered, the test is skipped.

        - ``kinds``: some of ``public``, ``user``, ``owner`` and ``signature``; none stands for all.
        - ``method``: such as ``GET``.
        - ``word``: one that stands in braces in the path, such as ``document_id``.
        - ``of``: see `Get Target` and `Get User Data`; only those for whose path it has real identifiers.

        | @{routes} =    Get Routes    owner    word=document_id
        """
        routes = the_run().contract.routes
        _leave_out_absent_routes()
        found = [
            name
            for name, route in routes.items()
            if (not kinds or route.kind in kinds)
            and method in (None, route.method)
            and (not word or f"{{{word}}}" in route.path)
            and (of is None or of.has(route.path))
        ]
        if not found and isinstance(of, authorization.Target):
            of.need()
        if not found and (absent := _absent_routes(kinds, method)):
            raise NotOffered(", ".join(absent))
        if not found and of is None:
            raise SuiteError(f"the contract has no route of kind {kinds}, method {method}, with {word} in its path")
        return sorted(found, key=lambda name: routes[name].method == "DELETE")

    @getter(within=120)
    async def get_undescribed_routes(self, *, user: Actor = None) -> Observed:
        """Returns a line for each route that is not in the contract, or absent there, and answers or is in OpenAPI.

        Only ``GET`` is tried, without a token and with that of the user.

        | Get Undescribed Routes    ==    ${NO PROBLEMS}    user=Alice
        """
        problems = await undescribed_routes.undescribed(the_run(), user_named(user))
        return Observed(problems, "routes beside the contract")

    @getter()
    def get_response_field(self, response: Response, field: str, *, optional: bool = False) -> Observed:
        """Returns a field of a response by the contract's word for it.

        - ``field``: of a success as in the route's ``answer``; of an error ``code``, ``message``, ``request_id``; of a
          duplicate ``error_type``, ``message``, ``document_title``, ``last_uploaded``. Fails where it is missing.
        - ``optional``: None where it is missing or empty.

        | Get Response Field    ${response}    status    ==    complete
        | Get Response Field    ${refusal}    code    ==    invalid_credentials
        """
        value = the_run().client.field_of(response, field, optional=optional)
        what = f"{field} of {response.route}"
        return Observed(value, what, response.look)

    @getter()
    def get_response_text(self, response: Response) -> Observed:
        """Returns the body of a response as text.

        | Get Response Text    ${response}    not contains    ${user.user_id}
        """
        text = response.content.decode("utf-8", "replace")
        what = f"body of {response.route}"
        return Observed(text, what, response.look)

    @getter()
    def get_statuses(self, responses: list[Response]) -> Observed:
        """Returns the statuses of several responses, sorted.

        | Get Statuses    ${responses}    ==    ${{ [200, 401, 401] }}
        """
        what = f"statuses of {len(responses)} responses"
        look = "; ".join(response.look for response in responses)
        statuses = sorted(response.status for response in responses)
        return Observed(statuses, what, look)

    @getter()
    def get_mentions(self, response: Response, texts: list[str], *, known: str = "") -> Observed:
        """Returns which of these texts the body of a response contains, except those that its request contained.

        - ``texts``: such as the ``traces`` of `Get User Data`; one at least.
        - ``known``: what was sent in the body of the request; the address is read from the response.

        | Get Mentions    ${response}    ${data.traces}    ==    ${NOTHING}
        """
        if not texts:
            raise SuiteError("no text to look for")
        body, sent = response.content.decode("utf-8", "replace"), f"{response.url} {known}"
        values = [text for text in texts if text in body and text not in sent]
        what = f"{response.route}: texts in the response that the request did not contain"
        return Observed(values, what, response.look)

    @keyword()
    def get_search_parameters(self) -> list[str]:
        """Returns a route and a word of its query in turns, for each list that a user reads and that takes free text.

        | @{searches} =    Get Search Parameters
        | FOR    ${route}    ${word}    IN    @{searches}
        """
        contract = the_run().contract
        lists = [name for name, route in contract.routes.items() if route.kind == "user" and route.method == "GET"]
        return [each for name in lists for word in contract.search_words(name) for each in (name, word)]

    @keyword()
    def get_unknown_identifiers(self) -> dict[str, str]:
        """Returns a new identifier, which nothing has, for each word that stands for one in an owner route.

        | &{unknown} =    Get Unknown Identifiers
        | Call Route    document_status    &{unknown}    expected=unknown_identifier
        """
        routes = the_run().contract.routes.values()
        return {
            word: str(uuid.uuid4())
            for route in routes
            if route.kind == "owner"
            for word in {*route.words, *(authorization.OBJECTS & {*route.offered.get("body", ())})}
        }

    @keyword()
    def get_accepted_body(self, route: str, **identifiers: str) -> dict[str, Any] | None:
        """Returns a body that a route would accept, by the contract's words, as far as it is known; None without one.

        - ``identifiers``: what fills it, by the word for each, such as ``document_id``.

        | ${body} =    Get Accepted Body    ask    document_id=${upload.document_id}
        | Call Route    ask    body=${body}    user=Bob    expected=other_user
        """
        return authorization.accepted_body(the_run(), route, identifiers)

    @getter()
    def get_contract_value(self, path: str) -> Observed:
        """Returns a value of the contract by its dotted path.

        | ${characters} =    Get Contract Value    limits.filename_characters
        | @{statuses} =    Get Contract Value    jobs.statuses
        """
        value = the_run().contract.value(path)
        if value is MISSING:
            raise SuiteError(f"the contract has nothing at '{path}'")
        return Observed(value.model_dump() if isinstance(value, Offered) else value, f"{path} of the contract")

    @getter()
    def get_expected_status(self, route: str, expected: str = "success") -> Observed:
        """Returns the status that the contract states for an outcome of a route, such as ``malformed_json``.

        | ${status} =    Get Expected Status    login    malformed_json
        """
        return Observed(the_run().contract.status_of(route, expected), f"status of {route}, {expected}")


def _absent_routes(kinds: Collection[str], method: str | None) -> list[str]:
    """The places of absent routes, those alone that are such ones in the standard contract where there are any."""
    absent, usual = getattr(the_run().contract.routes, "absent", {}), standard()["routes"]
    alike = [
        place
        for name, place in absent.items()
        if name in usual and (not kinds or usual[name]["kind"] in kinds) and method in (None, usual[name]["method"])
    ]
    return alike or [*absent.values()]


def _leave_out_absent_routes() -> None:
    """What goes through the routes of the contract leaves out those that are absent."""
    run = the_run()
    for name in getattr(run.contract.routes, "absent", ()):
        run.is_offered(f"routes.{name}")
