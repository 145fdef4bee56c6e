"""Error answers disclose nothing (ERR-09): every error body of a run, looked through once, at its end.

What the caller sent may come back in an error, and so may a public address of the deployment and the path of the
request: neither is disclosed by it.
"""

from __future__ import annotations

import html
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
from ArtilleryLibrary.figures import LOG
from ArtilleryLibrary.requestlog import LoggedRequest, read_log
from psycopg import errors as sqlstates

from acceptance.checks.disclosure_patterns import ADDRESS, PATTERNS, SECRET, SQL
from acceptance.clients.error_log import ErrorResponse, recorded_errors
from acceptance.deployment.descriptor import Descriptor, is_local
from acceptance.errors import Violation, cut, violation
from acceptance.redaction.patterns import MASK
from acceptance.redaction.redactor import Redactor

AROUND = 30  # characters before and after what is disclosed
EXCERPT = 160
LISTED_ROUTES = 4
TITLES = ("title", "document_title", "filename", "file_name")  # of documents, as a client named them
CODE_FIELDS = ("code", "sqlstate", "sql_state", "pgcode", "error_code")
_IDENTIFIER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}")
_CHANGING = re.compile(r"0x[0-9a-f]+|[0-9a-f]{6,}|\d+")


@dataclass(frozen=True)
class Disclosure:
    """What one error body discloses: kinds, and the place of the first of them with some text around it."""

    error: ErrorResponse
    kinds: tuple[str, ...]
    excerpt: str

    @property
    def cause(self) -> tuple[object, ...]:
        """The same for bodies that disclose the same."""
        return self.kinds, _CHANGING.sub("#", self.excerpt)


def error_bodies(folder: Path, redactor: Redactor) -> list[ErrorResponse]:
    """All error bodies that the processes of a run kept in its folder, those of its loads included."""
    loads = (request for log in sorted(folder.rglob(LOG)) for request in read_log(log).requests)
    return [
        *(error for error in recorded_errors(folder) if error.is_error),
        *(_of_load(request, redactor) for request in loads if request.body is not None),
    ]


def disclosures(errors: Iterable[ErrorResponse], descriptor: Descriptor) -> list[Violation]:
    """One violation for each cause, with the first request and the number and routes of all."""
    public = public_hosts(descriptor)
    causes: dict[tuple[object, ...], list[Disclosure]] = defaultdict(list)
    for error in errors:
        if (found := disclosed_by(error, public)) is not None:
            causes[found.cause].append(found)
    return [_violation(same) for same in causes.values()]


def disclosed_by(error: ErrorResponse, public: Collection[str] = ()) -> Disclosure | None:
    """What an error body discloses; None where that is nothing.

    Args:
        public: hosts, with their ports where these are local, that are known to every client.
    """
    sent = [unquote(error.url), urlsplit(error.url).path, *_texts(error.sent)]
    found: dict[str, str] = {}
    for text in _texts(error.body, without=TITLES):
        for kind, pattern in PATTERNS:
            for match in pattern.finditer(text) if kind not in found else ():
                what = match[0].strip()
                if not any(what in one for one in sent) and not (kind == ADDRESS and _is_public(what, public)):
                    begin, end = max(0, match.start() - AROUND), min(len(text), match.end() + AROUND)
                    found[kind] = text[begin:end]
                    break
    if SQL not in found and (code := _sqlstate(error.body)):
        found[SQL] = f"the SQLSTATE {code}"
    if error.secret:
        at = max(0, error.body.find(MASK) - AROUND)
        found[SECRET] = error.body[at : at + EXCERPT]
    kinds = tuple(kind for kind in (*(kind for kind, _ in PATTERNS), SECRET) if kind in found)
    return Disclosure(error, kinds, " ".join(found[kinds[0]].split())) if kinds else None


def public_hosts(descriptor: Descriptor) -> set[str]:
    """Hosts of the services that clients reach; of this machine, only with their ports."""
    services = [service for _, service in descriptor.services if hasattr(service, "url")]
    addresses = [urlsplit(service.url) for service in services]
    return {one.netloc if is_local(one.geturl()) else one.hostname or "" for one in addresses}


def _violation(same: list[Disclosure]) -> Violation:
    first = same[0].error
    routes = list(dict.fromkeys(_route(one.error) for one in same))
    others = ", ".join(routes[1 : 1 + LISTED_ROUTES]) + (" and others" if len(routes) > 1 + LISTED_ROUTES else "")
    also = f", {len(same)} times" if len(same) > 1 else ""
    also += f" (also {others})" if others else ""
    what = f"{', '.join(same[0].kinds)} in {first.event or 'a body'} with status {first.status}{also}"
    return violation(
        _route(first), expected="an error that discloses nothing",
        observed=f"{what}: '{cut(same[0].excerpt, EXCERPT)}'", look=first.look,
    )  # fmt: skip


def _route(error: ErrorResponse) -> str:
    return _IDENTIFIER.sub("{id}", error.name)


def _of_load(request: LoggedRequest, redactor: Redactor) -> ErrorResponse:
    body = request.body or ""
    return ErrorResponse(
        method="load,", url=request.endpoint, status=request.status or 0, body=redactor.clean(body),
        request_id=request.request_id, route=request.endpoint, secret=any(redactor.secrets_in(body)),
    )  # fmt: skip


def _is_public(address: str, public: Collection[str]) -> bool:
    """Whether an address, which may be a whole one, is of a host that is known to every client."""
    host = (urlsplit(address).netloc if "://" in address else address).lower()
    return host in public or (host.partition(":")[0] in public and not is_local(f"//{host}"))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _texts(text: str, *, without: Collection[str] = ()) -> Iterator[str]:
    """The texts of a body: each in it where it is JSON, but in these fields; else all of it, as a page is read."""
    document = _parsed(text)
    if isinstance(document, dict | list):
        yield from (leaf for name, leaf in _leaves(document) if name not in without)
    elif text:
        yield html.unescape(text) if "<" in text else text


def _leaves(document: Any) -> Iterator[tuple[str, str]]:
    """Each text of a JSON document, with the name of its field."""
    pending = [("", document)]
    while pending:
        name, value = pending.pop()
        if isinstance(value, dict):
            pending += reversed([(str(field), inner) for field, inner in value.items()])
        elif isinstance(value, list):
            pending += reversed([(name, inner) for inner in value])
        elif isinstance(value, str):
            yield name.lower(), value


def _sqlstate(body: str) -> str:
    """The error code of a database that stands in a field for codes; empty where none does."""
    codes = (leaf for name, leaf in _leaves(_parsed(body)) if name in CODE_FIELDS)
    return next((code for code in codes if _is_sqlstate(code)), "")


def _is_sqlstate(text: str) -> bool:
    try:
        return len(text) == 5 and issubclass(sqlstates.lookup(text), psycopg.Error)
    except KeyError:
        return False
