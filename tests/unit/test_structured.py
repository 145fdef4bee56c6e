"""What is cleaned stays well-formed, and the rest of it stays."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from acceptance.redaction.redactor import Redactor
from acceptance.redaction.scrub import scrub
from acceptance.redaction.structured import clean_html, clean_json, clean_xml
from hypothesis import given
from hypothesis import strategies as st

SECRET = "tok-1234567890abcdefghij"
# An answer that begins with a token where a refusal was expected, cut off within it, as a message has it.
BEGINS_WITH_A_TOKEN = (
    f'signup: expected status 422, observed 201 {{"access_token": "{SECRET[:18]}… (900 characters);'
    " POST /auth/signup, request r-1"
)


def redactor() -> Redactor:
    knows = Redactor()
    knows.register(SECRET)
    return knows


@pytest.mark.parametrize("cut_at", range(60, 140, 4))
def test_a_message_that_was_cut_within_a_token_keeps_its_end(cut_at: int) -> None:
    body = f'{{"user": {{"id": 1}}, "access_token": "{SECRET}", "refresh_token": "{SECRET}", "token_type": "bearer"}}'
    cleaned = redactor().clean(
        f"observed 201 {body[:cut_at]}… ({len(body)} characters); POST /auth/signup, request r-1"
    )
    assert cleaned.endswith("POST /auth/signup, request r-1")
    assert "tok-1234567890" not in cleaned


def test_what_is_called_by_the_word_password_is_no_secret() -> None:
    text = "document 'libreoffice-writer-password': expected complete, observed failed_parse"
    assert redactor().clean(text) == text


def test_files_of_a_red_run_stay_well_formed(tmp_path: Path) -> None:
    message = BEGINS_WITH_A_TOKEN.replace("&", "&amp;").replace("<", "&lt;")
    elements = f'<msg level="FAIL">{message}</msg><status status="FAIL">{message}</status>'
    (tmp_path / "output.xml").write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<robot>{elements}</robot>')
    escaped = json.dumps(f"*{BEGINS_WITH_A_TOKEN}")
    (tmp_path / "log.html").write_text(
        f'<!DOCTYPE html>\n<script>window.output = [{escaped}, "*rest"];</script><p>end</p>'
    )
    (tmp_path / "gate.json").write_text(
        json.dumps({"reason": BEGINS_WITH_A_TOKEN, "password": "hunter2hunter2", "n": 1})
    )
    assert scrub(tmp_path, redactor()) == []
    root = ElementTree.parse(tmp_path / "output.xml").getroot()
    texts = [element.text or "" for element in root]
    assert all(text.endswith("POST /auth/signup, request r-1") for text in texts)
    page = (tmp_path / "log.html").read_text()
    script = page[page.index("[") : page.index(";</script>")]
    assert json.loads(script)[1] == "*rest" and page.endswith("<p>end</p>")
    gate = json.loads((tmp_path / "gate.json").read_text())
    assert gate["reason"].endswith("request r-1") and gate["password"] == "<redacted>" and gate["n"] == 1
    assert not [path for path in tmp_path.iterdir() if SECRET[:16] in path.read_text()]


HIDES = redactor().clean


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=40),
    st.sampled_from(["", SECRET, f'"password": "{SECRET}']),
)
def test_xml_and_json_are_the_same_but_for_the_secret(text: str, secret: str) -> None:
    element = ElementTree.Element("a", {"b": text + secret})
    element.text = secret + text
    written = '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(element, encoding="unicode")
    cleaned = ElementTree.fromstring((clean_xml(written, HIDES) or "").encode())
    assert (cleaned.text or "", cleaned.get("b")) == (HIDES(secret + text), HIDES(text + secret))
    assert json.loads(clean_json(json.dumps([text + secret]), HIDES) or "") == [HIDES(text + secret)]


def test_a_page_without_a_script_is_cleaned_as_a_whole() -> None:
    assert clean_html(f"<p>{SECRET}</p>", HIDES) == "<p><redacted></p>"
