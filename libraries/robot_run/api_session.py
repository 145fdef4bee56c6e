"""Sessions of RequestsLibrary to a service of the deployment, without secrets in their log."""

from __future__ import annotations

import uuid
from typing import Any

import requests
from acceptance.deployment.descriptor import is_local
from acceptance.fixtures.users import User
from acceptance.run import Run
from requests.adapters import HTTPAdapter
from robot.libraries.BuiltIn import BuiltIn

from robot_run.lifecycle import the_run

SECONDS = 10.0


class _Adapter(HTTPAdapter):
    """Adds the token on the wire, restores the request for the log, and records error responses."""

    def __init__(self, run: Run, user: User | None) -> None:
        super().__init__()
        self._run, self._user = run, user

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        logged = request.headers.copy()
        header = self._run.contract.errors.request_id_header
        request.headers.setdefault(header, uuid.uuid4().hex)
        if self._user is not None:
            request.headers.setdefault("Authorization", f"Bearer {self._user.access_token}")
        options["timeout"] = options.get("timeout") or SECONDS
        try:
            response = super().send(request, *args, **options)
        finally:
            request_id = str(request.headers[header])
            request.headers = logged
        request_id = response.headers.get(header, request_id)
        self._run.error_log.record(
            method=str(request.method), url=str(request.url), status=response.status_code, body=response.text,
            request_id=request_id,
        )  # fmt: skip
        return response


def open_api_session(alias: str, user: User | None, service: str) -> None:
    """Register a session with RequestsLibrary, which has to be imported by the suite or its resources.

    Raises:
        ValueError: the descriptor has no such service.
    """
    run = the_run()
    known = getattr(run.descriptor.services, service, None)
    if known is None or not hasattr(known, "url"):
        raise ValueError(f"service '{service}': the descriptor '{run.descriptor.name}' has no such service with a url")
    session = requests.Session()
    session.trust_env = not is_local(known.url)
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(run, user))
    session.url = known.url  # type: ignore[attr-defined]  # where RequestsLibrary keeps the base address
    library: Any = BuiltIn().get_library_instance("RequestsLibrary")
    library._cache.register(session, alias=alias)
    library.timeout, library.cookies = None, None  # what its own Create Session sets
