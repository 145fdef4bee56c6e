"""Sessions of RequestsLibrary to a service of the deployment, without secrets in their log."""

from __future__ import annotations

import uuid
from http.client import responses as reasons
from typing import Any

import requests
from acceptance.clients.body import ACCEPTED
from acceptance.clients.http import DEADLINE
from acceptance.fixtures.users import User
from acceptance.run import Run
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from robot.libraries.BuiltIn import BuiltIn

from robot_run.lifecycle import the_run


class _Adapter(BaseAdapter):
    """Sends by the contract's client, which bounds and records what comes back; adds the token on the wire alone."""

    def __init__(self, run: Run, user: User | None) -> None:
        super().__init__()
        self._run, self._user = run, user

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        headers = CaseInsensitiveDict({name: str(value) for name, value in request.headers.items()})
        if self._run.contract.offers("errors.request_id_header"):
            headers.setdefault(self._run.contract.errors.request_id_header, uuid.uuid4().hex)
        headers["Accept-Encoding"] = ACCEPTED
        token = self._user.access_token if self._user is not None else None
        content, url = _bytes(request.body), str(request.url)
        sending = self._run.client.exchange(str(request.method), url, dict(headers), content, token=token)
        received = self._run.wait(sending, within=3 * DEADLINE)
        response = requests.Response()
        response.request, response.url, response.status_code = request, received.url, received.status
        response.headers = CaseInsensitiveDict(received.headers)
        response.encoding = get_encoding_from_headers(response.headers)
        response.reason, response._content = reasons.get(received.status, ""), received.content
        return response

    def close(self) -> None:
        """Nothing of its own is open."""


def _bytes(body: Any) -> bytes | None:
    """A body of RequestsLibrary: a text, bytes, an open file, or their parts."""
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    parts = [body.read()] if hasattr(body, "read") else list(body)
    return b"".join(part.encode() if isinstance(part, str) else part for part in parts)


def open_api_session(alias: str, user: User | None, service: str) -> None:
    """Register a session with RequestsLibrary, which has to be imported by the suite or its resources.

    Raises:
        NotOffered: the deployment does not have this service.
        SuiteError: the descriptor has no such service.
    """
    run = the_run()
    known = run.descriptor.service(service)
    session = requests.Session()
    session.trust_env = False  # what the environment names, the contract's client takes into account
    session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]  # never followed
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(run, user))
    session.url = known.url  # type: ignore[attr-defined]  # where RequestsLibrary keeps the base address
    library: Any = BuiltIn().get_library_instance("RequestsLibrary")
    library._cache.register(session, alias=alias)
    library.timeout, library.cookies = None, None  # what its own Create Session sets
