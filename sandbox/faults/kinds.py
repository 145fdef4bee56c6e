"""The kinds of faults, with their parameters as they are checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

import h11
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Milliseconds = Annotated[float, Field(ge=0, le=600_000, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=0, le=2**40)]
AtLeastOne = Annotated[int, Field(ge=1, le=2**40)]
Times = Annotated[int, Field(ge=1, le=1_000_000)] | None


class Parameters(BaseModel):
    """Of a kind without parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Latency(Parameters):
    """What the dependency sends arrives later."""

    milliseconds: Milliseconds
    jitter_milliseconds: Milliseconds = 0


class Bandwidth(Parameters):
    """Both directions carry so much."""

    bytes_per_second: AtLeastOne


class Slice(Parameters):
    """Messages arrive in pieces of so many bytes, each so much later."""

    bytes: AtLeastOne
    milliseconds: Milliseconds


class Reset(Parameters):
    """Connections are reset, after so many bytes of an answer; 0: at once."""

    after_bytes: Bytes = 0
    times: Times = None


class Cut(Parameters):
    """Connections end, as if in order, after so many bytes of an answer."""

    after_bytes: Bytes
    times: Times = None


class Respond(Parameters):
    """The link itself responds to each HTTP request."""

    status: Annotated[int, Field(ge=200, le=599)]
    headers: Mapping[str, str] = {}
    body: str = ""
    content_type: str = "application/json"
    times: Times = None

    @model_validator(mode="after")
    def _can_be_sent(self) -> Respond:
        try:
            headers = [*self.headers.items(), ("content-type", self.content_type)]
            h11.Response(status_code=self.status, headers=headers)
        except (h11.LocalProtocolError, ValueError) as error:
            raise ValueError(f"these headers cannot be sent: {error}") from None
        return self


OF_LINKS: Final[Mapping[str, type[Parameters]]] = {
    "latency": Latency,
    "bandwidth": Bandwidth,
    "slice": Slice,
    "reset": Reset,
    "refuse": Parameters,
    "blackhole": Parameters,
    "cut": Cut,
    "respond": Respond,
}
OF_SERVICES: Final[Mapping[str, type[Parameters]]] = dict.fromkeys(("kill", "stop", "freeze"), Parameters)


class Unknown(Exception):
    """A fault that there is not; its text says what there is."""


def read(kind: str, kinds: Mapping[str, type[Parameters]], given: Mapping[str, Any]) -> Parameters:
    """The parameters of a kind. Raises Unknown."""
    model = kinds[kind]
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        known = ", ".join(model.model_fields) or "no parameters"
        raise Unknown(f"{where or kind}: {re.sub('^Value error, ', '', first['msg'])}; {kind} takes {known}") from None
