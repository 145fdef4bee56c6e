"""Forged credentials are really forged: none of them would pass an honest check."""

import time

import jwt
import pytest
from acceptance.checks.forged_tokens import EXAMPLE_KEY, Genuine, claims_of, forged, forgeries

KEY = "the deployment's own key, which no forger knows"
CLAIMS = {"sub": "alice", "exp": int(time.time()) + 3600, "iat": int(time.time())}
TOKEN = jwt.encode(CLAIMS, KEY, "HS256")
GENUINE = Genuine(TOKEN, "refresh-token-of-alice", jwt.encode(CLAIMS | {"exp": 1}, KEY, "HS256"), "token of bob")


def verified(token: str) -> bool:
    """What an honest deployment does."""
    try:
        jwt.decode(token, KEY, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        return False
    return True


@pytest.mark.parametrize("kind", ["garbage", "wrong_signature", "expired", "alg_none"])
def test_an_honest_check_refuses_every_forgery(kind: str) -> None:
    made = forgeries(kind, GENUINE)
    assert made
    assert not any(verified(credential.token or "") for credential in made)
    assert len({credential.token for credential in made}) == len({credential.made for credential in made}) == len(made)
    assert not any(TOKEN.split(".")[1] in repr(credential) for credential in made)


def test_forgeries_catch_each_dishonest_check() -> None:
    tokens = {
        credential.made: credential.token or ""
        for kind in ("wrong_signature", "alg_none")
        for credential in forgeries(kind, GENUINE)
    }
    unverified = jwt.decode(
        tokens["claims of another user under the old signature"], options={"verify_signature": False}
    )
    assert unverified["sub"] != "alice"
    assert (
        jwt.decode(tokens["signed with the published example key"], EXAMPLE_KEY, algorithms=["HS256"])["sub"] == "alice"
    )
    assert jwt.get_unverified_header(tokens["alg 'nOnE' without a signature"])["alg"] == "nOnE"
    assert claims_of(tokens["a later expiry under the old signature"])["exp"] > CLAIMS["exp"]


def test_no_token_and_another_users() -> None:
    assert [credential.token for credential in forgeries("none", GENUINE)] == [None]
    assert [credential.token for credential in forgeries("other_user", GENUINE)] == ["token of bob"]


def test_a_kind_that_nothing_makes_is_told() -> None:
    with pytest.raises(AssertionError, match=r"expected credentials that can be made .*, observed 'revoked'"):
        forgeries("revoked", GENUINE)


@pytest.mark.parametrize("token", ["opaque", "a.b", "a..c", "!.!.!", "W10.W10.W10"])
def test_what_is_no_json_web_token_is_a_violation(token: str) -> None:
    with pytest.raises(AssertionError, match="access token: expected"):
        claims_of(token)


def test_any_signed_token_can_be_forged() -> None:
    assert len(list(forged(TOKEN))) > 5
    assert not any(verified(token) for _, token in forged(TOKEN))
    ((_, opaque),) = forged("0123456789abcdef")
    assert opaque != "0123456789abcdef" and len(opaque) == 16
