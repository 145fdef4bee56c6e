"""Faults by a control interface of the deployment: HTTP and JSON, with leases (docs/deployments.md describes it)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import httpx
from pydantic import Field, TypeAdapter

from acceptance.deployment.descriptor import Descriptor, FaultControl
from acceptance.deployment.interfaces import Answer, read_answer
from acceptance.deployment.trust import http_client
from acceptance.errors import EnvironmentUnavailable, SuiteError, one_line
from acceptance.faults.model import Fault, Proof
from acceptance.yaml_models import Data

TIMEOUT = 20.0  # an answer may have to observe that a process is gone


class _Target(Data, extra="ignore"):
    name: str
    kinds: tuple[str, ...]


class _Targets(Data, extra="ignore"):
    targets: tuple[_Target, ...]


class _Document(Data, extra="ignore"):
    in_effect: bool
    evidence: Annotated[str, Field(min_length=1)]
    affected: int | None = None


_TARGETS, _DOCUMENT = TypeAdapter(_Targets), TypeAdapter(_Document)


class Control:
    """Speaks to the control interface that the descriptor names."""

    name = "control"

    def __init__(
        self, descriptor: Descriptor, access: FaultControl, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._access = access
        headers = {"authorization": f"Bearer {descriptor.secret(access.token).get_secret_value()}"}
        self._http = http_client(access.url, transport=transport, headers=headers, timeout=TIMEOUT)
        self._kinds: dict[str, tuple[str, ...]] | None = None

    async def kinds(self) -> Mapping[str, Sequence[str]]:
        """The kinds by target, as the interface says; asked once."""
        if self._kinds is None:
            found = self._read(_TARGETS, await self._call("GET", "/targets", 200))
            self._kinds = {target.name: target.kinds for target in found.targets}
        return self._kinds

    def heals(self, kind: str, target: str) -> bool:
        return True  # by its lease

    def by_hand(self, fault: Fault) -> str:
        address = f"{self._access.url}/faults/{fault.id}"
        return f"it ends by itself {fault.lease:g} s after its last renewal; at once by DELETE {address} with its token"

    async def prepare(self, fault: Fault) -> Fault:
        return fault

    async def inject(self, fault: Fault) -> None:
        body = {
            "kind": fault.kind, "target": fault.target, "parameters": dict(fault.parameters),
            "lease_seconds": fault.lease,
        }  # fmt: skip
        response = await self._call("PUT", _path(fault), 200, 422, body=body)
        if response.status_code == 422:
            raise SuiteError(f"{fault}: {_message(response)}")

    async def renew(self, fault: Fault) -> None:
        await self.inject(fault)

    async def prove(self, fault: Fault) -> Proof:
        response = await self._call("GET", _path(fault), 200, 404)
        if response.status_code == 404:
            return Proof(False, f"the control interface knows no fault {fault.id}: its lease ran out, or it was undone")
        found = self._read(_DOCUMENT, response)
        return Proof(found.in_effect, one_line(found.evidence), found.affected)

    async def roll_back(self, fault: Fault) -> None:
        await self._call("DELETE", _path(fault), 204)

    async def prove_gone(self, fault: Fault) -> Proof:
        response = await self._call("GET", _path(fault), 200, 404)
        if response.status_code == 404:
            return Proof(False, "the control interface knows it no more")
        return Proof(True, one_line(self._read(_DOCUMENT, response).evidence))

    async def close(self) -> None:
        await self._http.aclose()

    async def _call(self, method: str, path: str, *expected: int, body: Any = None) -> httpx.Response:
        what = f"the control interface {self._access.url}: {method} {path}"
        try:
            response = await self._http.request(method, f"{self._access.url}{path}", json=body)
        except httpx.HTTPError as error:
            raise EnvironmentUnavailable(f"{what}: no answer ({type(error).__name__})") from None
        if response.status_code not in expected:
            hint = f"; is the secret {self._access.token} right?" if response.status_code in (401, 403) else ""
            message = f"status {response.status_code}{hint} {_message(response)}".rstrip()
            raise EnvironmentUnavailable(f"{what}: {message}")
        return response

    def _read(self, model: TypeAdapter[Answer], response: httpx.Response) -> Answer:
        asked = f"{response.request.method} {response.request.url.path}"
        return read_answer(model, response, f"the control interface {self._access.url}: {asked}")


def _path(fault: Fault) -> str:
    return f"/faults/{quote(fault.id, safe='')}"


def _message(response: httpx.Response) -> str:
    """What the interface says of a refusal, in one line."""
    try:
        document = response.json()
    except ValueError:
        document = response.text
    text = document.get("message", document) if isinstance(document, dict) else document
    return one_line(text)
