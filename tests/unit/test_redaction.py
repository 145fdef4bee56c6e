"""Secrets are hidden in every form in which they are written, and nothing else is."""

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus, urlencode

import pytest
from acceptance.redaction.encodings import forms_of
from acceptance.redaction.patterns import MASK, MASK_IN_MARKUP
from acceptance.redaction.redactor import PREFIX, START, Redactor
from hypothesis import given
from hypothesis import strategies as st

SECRET = 'p"ä/ss+wörd&42=x'


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote(SECRET),
        quote_plus(SECRET),
        urlencode({"k": f"a {SECRET} b"}),
        json.dumps({"k": SECRET}),
        json.dumps({"k": SECRET}, ensure_ascii=False),
        json.dumps({"text": json.dumps({"k": SECRET})}),
        html.escape(SECRET),
        html.escape(SECRET, quote=False),
        html.escape(json.dumps(SECRET)),
        json.dumps(html.escape(SECRET)),
        repr(SECRET),
        repr([f"a 'quoted' {SECRET}"]),
        ascii(SECRET),
        repr(SECRET.encode()),
        repr(f"it's {SECRET}".encode()),
        json.dumps(repr(SECRET.encode())),
        SECRET.encode().decode("latin-1"),
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
    assert "42" not in cleaned and "rd" not in cleaned
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
        ("Authorization: Token abcdef123456", "abcdef123456"),
        ("Cookie: a=1; session=abcdefgh; other=ijklmnop", "ijklmnop"),
        ('{"name":"Authorization","value":"Bearer abc def"}', "def"),
        ('{"name": "Cookie", "value": "a=b; c=d e"}', "d e"),
        ('{"text": "{\\"name\\":\\"apikey\\",\\"value\\":\\"short\\"}"}', "short"),
        ('"cookies": [{"name": "sid", "value": "ab.cd"}, {"name": "b", "value": "efg"}]', "efg"),
        ('{"name":"sb-auth-token","value":"{\\"inner\\":1}"}', "inner"),
        ("[(b'authorization', b'Basic dXNlcjpwYXNz')]", "dXNlcjpwYXNz"),
        ('{"password": "with spaces & more!"}', "more"),
        ("<arg>&quot;password&quot;: &quot;abcdefgh&quot;</arg>", "abcdefgh"),
        ('{"secret": 12345678, "n": 1}', "12345678"),
        (f"<img src='data:image/png;base64,{'iVBORw0K' * 200}'>", "iVBORw0KiVBORw0K"),
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
    "text",
    [
        "a job in state queued",
        "token_type: bearer",
        "the access_token was refused",
        "Bearer of news",
        "",
        "${PASSWORD}",
        "password: ${PASSWORD}",
        '"password": null',
        '{"name": "tokens", "value": 12}',
        f"İ {MASK} was there",
        "data:image/gif;base64,R0lGODlhFQ",
    ],
)
def test_plain_text_stays(text: str) -> None:
    assert Redactor().clean(text) == text


def test_a_hidden_number_leaves_json_whole() -> None:
    assert json.loads(Redactor().clean('{"secret": 12345678, "n": 1}')) == {"secret": MASK, "n": 1}


def test_markup_stays_markup() -> None:
    redactor = Redactor()
    redactor.register("0123456789abcdef")
    assert redactor.clean("<a>0123456789abcdef</a>", MASK_IN_MARKUP) == f"<a>{MASK_IN_MARKUP}</a>"


LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs"])
SECRETS = st.one_of(
    st.text(LETTERS, min_size=START, max_size=60),
    st.text("ab\"'\\&<%ä=/+\n", min_size=START, max_size=40),
    st.text("redacted<>&lgt;", min_size=START, max_size=20),
).filter(lambda secret: MASK not in secret and MASK_IN_MARKUP not in secret)
SHAPES = st.sampled_from(
    [
        *("Authorization", "cookie", "password", "secret", "token", "bearer ", "Basic ", "name", "value", "session"),
        *(
            "eyJhbGciOiJI",
            "?token=",
            "'",
            '"',
            "\\",
            '\\"',
            ":",
            "=",
            ", ",
            "; ",
            " ",
            "abcdefgh",
            "xyz",
            "<",
            ">",
            MASK,
        ),
        *(MASK_IN_MARKUP, "&quot;", "null", "${", "\n", ".", '"cookies":[{', "}]", "İ", "é"),
    ]
)
TEXTS = st.one_of(st.text(LETTERS, max_size=40), st.lists(SHAPES, max_size=25).map("".join))


@given(st.lists(SECRETS, min_size=1, max_size=3), TEXTS, TEXTS, st.data())
def test_no_form_of_a_secret_survives_in_any_text(
    secrets: list[str], before: str, after: str, data: st.DataObject
) -> None:
    redactor = Redactor()
    forms = {form for secret in secrets for form in forms_of(redactor.register(secret)) if len(form) >= START}
    written = data.draw(st.sampled_from(sorted(forms)))
    left = re.split(f"{MASK}|{MASK_IN_MARKUP}", redactor.clean(before + written + after))
    assert not [(form, piece) for form in forms for piece in left if form in piece]
    assert not [(form, piece) for form in forms for piece in left if len(form) > PREFIX and form[:PREFIX] in piece]


@given(
    st.lists(SECRETS, max_size=3),
    st.lists(st.one_of(TEXTS, SECRETS), max_size=4),
    st.sampled_from([MASK, MASK_IN_MARKUP]),
)
def test_what_is_clean_stays_as_it_is(secrets: list[str], texts: list[str], mask: str) -> None:
    redactor = Redactor()
    for secret in secrets:
        redactor.register(secret)
    text = "".join(part for pair in zip([*texts, ""], [*secrets, *[""] * 5], strict=False) for part in pair)
    cleaned = redactor.clean(text, mask)
    assert redactor.clean(cleaned, mask) == cleaned
