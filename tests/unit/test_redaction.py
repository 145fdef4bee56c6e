"""Secrets are hidden in every form in which they are written, and nothing else is."""

import base64
import json
from urllib.parse import quote

import pytest
from acceptance.redaction import MASK, Redactor
from hypothesis import given
from hypothesis import strategies as st

SECRET = 'p"ä/ss+wörd&42=x'


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET, safe=""),
        json.dumps({"k": SECRET}),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"u:" + SECRET.encode()).decode(),
        base64.urlsafe_b64encode(b"user:" + SECRET.encode()).decode(),
    ],
)
def test_registered_secret_is_hidden_in_each_form(written: str) -> None:
    redactor = Redactor()
    redactor.register(SECRET)
    cleaned = redactor.clean(f"before {written} after")
    assert MASK in cleaned
    assert SECRET not in cleaned
    assert base64.b64encode(SECRET.encode()).decode()[4:-4] not in cleaned
    assert cleaned.startswith("before ") and cleaned.endswith(" after")


@pytest.mark.parametrize(
    ("written", "hidden"),
    [
        ("Authorization: Bearer abcdef123456", "abcdef123456"),
        ("{'authorization': 'Bearer abcdef123456', 'x': 1}", "abcdef123456"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ('{"access_token": "tok-123456789", "n": 1}', "tok-123456789"),
        ('"{\\"refresh_token\\": \\"tok-123456789\\"}"', "tok-123456789"),
        ("PUT http://h/o?a=1&token=tok-123456789 200", "tok-123456789"),
        ("Set-Cookie: session=abcdefgh", "session=abcdefgh"),
        ("was eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl there", "c2lnbmF0dXJl"),
        ("cut eyJhbGciOiJIUzI1NiJ9.eyJzd...", "eyJzd"),
        ("apikey: service-role-key", "service-role-key"),
    ],
)
def test_secrets_of_a_known_shape_are_hidden_without_registering(written: str, hidden: str) -> None:
    cleaned = Redactor().clean(written)
    assert hidden not in cleaned
    assert MASK in cleaned


def test_cut_secret_is_hidden_by_its_beginning() -> None:
    redactor = Redactor()
    redactor.register("0123456789abcdefghijklmnopqrstuvwxyz")
    assert redactor.clean("value: 0123456789abcdefghij...") == f"value: {MASK}"


@pytest.mark.parametrize(
    "text", ["a job in state queued", "token_type: bearer", "the access_token was refused", "Bearer of news", ""]
)
def test_plain_text_stays(text: str) -> None:
    assert Redactor().clean(text) == text


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=6, max_size=60))
def test_no_registered_secret_survives(secret: str) -> None:
    redactor = Redactor()
    redactor.register(secret)
    assert secret not in redactor.clean(f"before {secret} after") or secret in f"before {MASK} after"
