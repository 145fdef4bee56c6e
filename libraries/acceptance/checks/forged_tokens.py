"""Bad credentials: what an attacker makes of a real access token without knowing the key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from acceptance.errors import violation

Kind = Literal["none", "garbage", "wrong_signature", "expired", "alg_none", "other_user"]
# Published as the example key of self-hosted Supabase; a deployment that kept it accepts everyone's tokens.
EXAMPLE_KEY = "super-secret-jwt-token-with-at-least-32-characters-long"
ATTACKERS_KEY = "a key of the attacker's own, long enough for any check"
ANOTHER_USER = "00000000-0000-4000-8000-000000000001"
A_DAY = 86_400


@dataclass(frozen=True)
class Credential:
    """One bad credential: its kind as the contract names it, how it was made, and the token (None: none is sent)."""

    kind: str
    made: str
    token: str | None = field(repr=False)


@dataclass(frozen=True)
class Genuine:
    """Real tokens that bad credentials are made of: of a live session, of an expired one, and of another user."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expired: str = field(repr=False)
    other_user: str = field(repr=False)


def forgeries(kind: str, of: Genuine) -> list[Credential]:
    """Every bad credential of a kind; raises AssertionError for a kind that cannot be made."""
    makers: dict[str, Callable[[], Iterator[tuple[str, str | None]]]] = {
        "none": lambda: iter([("no token", None)]),
        "garbage": lambda: _garbage(of),
        "wrong_signature": lambda: _wrong_signatures(of.access_token),
        "expired": lambda: iter([("expired", of.expired)]),
        "alg_none": lambda: _unsigned(of.access_token),
        "other_user": lambda: iter([("another user's token", of.other_user)]),
    }
    if kind not in makers:
        raise violation(
            "contract", expected=f"credentials that can be made ({', '.join(makers)})", observed=f"'{kind}'"
        )
    return [Credential(kind, made, token) for made, token in makers[kind]()]


def forged(token: str) -> Iterator[tuple[str, str]]:
    """What can be made of any signed token without its key, and how it was made."""
    yield from _wrong_signatures(token)
    if token.count(".") == 2:
        yield from _unsigned(token)


def claims_of(token: str) -> dict[str, Any]:
    """The claims of an access token, unverified; raises AssertionError for what is not a signed JSON Web Token."""
    return _decoded(_parts(token)[1])


def _garbage(of: Genuine) -> Iterator[tuple[str, str]]:
    yield "a word", "garbage"
    yield "three words", "not.a.token"
    if of.refresh_token:
        yield "a refresh token", of.refresh_token
    yield "a token cut in half", of.access_token[: len(of.access_token) // 2]
    if of.access_token.count(".") != 2:
        return
    header, claims, signature = _parts(of.access_token)
    yield "a token without its signature", f"{header}.{claims}"
    yield "claims that are not JSON", f"{header}.{_encoded_bytes(b'not JSON')}.{signature}"


def _wrong_signatures(token: str) -> Iterator[tuple[str, str]]:
    if token.count(".") != 2:  # of an opaque token nothing else can be known
        yield "one letter changed", _changed(token)
        return
    header, claims, signature = _parts(token)
    yield "one letter of the signature changed", f"{header}.{claims}.{_changed(signature)}"
    yield "claims of another user under the old signature", f"{header}.{_with(claims, sub=ANOTHER_USER)}.{signature}"
    yield "a later expiry under the old signature", f"{header}.{_with(claims, exp=_later(claims))}.{signature}"
    hs256 = _with(header, alg="HS256")
    for name, key in (
        ("the attacker's key", ATTACKERS_KEY),
        ("the published example key", EXAMPLE_KEY),
        ("an empty key", ""),
    ):
        yield f"signed with {name}", f"{hs256}.{claims}.{_signature(f'{hs256}.{claims}', key)}"


def _unsigned(token: str) -> Iterator[tuple[str, str]]:
    if token.count(".") != 2:
        token = f"{_encoded({'typ': 'JWT'})}.{_encoded({'sub': ANOTHER_USER})}.{_changed(token)}"
    header, claims, signature = _parts(token)
    for algorithm in ("none", "None", "NONE", "nOnE"):
        yield f"alg '{algorithm}' without a signature", f"{_with(header, alg=algorithm)}.{claims}."
    yield "alg 'none' with the old signature", f"{_with(header, alg='none')}.{claims}.{signature}"
    yield "no alg at all", f"{_encoded({'typ': 'JWT'})}.{claims}."


def _changed(text: str) -> str:
    middle = len(text) // 2  # the last letter may hold bits that do not count
    return text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]


def _parts(token: str) -> tuple[str, str, str]:
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise violation(
            "access token", expected="a signed JSON Web Token", observed=f"{len(parts)} parts, {len(token)} characters"
        )
    return parts[0], parts[1], parts[2]


def _decoded(part: str) -> dict[str, Any]:
    try:
        document = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise violation("access token", expected="parts that are JSON objects in base64url", observed="something else")
    return document


def _with(part: str, **changed: object) -> str:
    return _encoded(_decoded(part) | changed)


def _later(claims: str) -> float:
    return float(_decoded(claims).get("exp", 0)) + A_DAY


def _encoded(document: dict[str, Any]) -> str:
    return _encoded_bytes(json.dumps(document, separators=(",", ":")).encode())


def _encoded_bytes(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _signature(signed: str, key: str) -> str:
    return _encoded_bytes(hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest())
