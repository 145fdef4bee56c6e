"""Documents made for a run hold what they promise, and mistakes in the catalogue are all reported at once."""

from __future__ import annotations

import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from acceptance.deployment.contract import read_contract
from acceptance.errors import CapabilityMissing, ConfigurationError, EnvironmentUnavailable, NotOffered
from acceptance.fixtures import documents as documents
from acceptance.fixtures import handbook
from acceptance.fixtures.documents import Failed, FileKinds, Limits, OtherKind, Refused, TestDocument, catalogue, make
from acceptance.fixtures.handbook import figures, words, write
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PasswordType, PdfReader

LIMITS = Limits(max_file_size_bytes=300_000, filename_characters=120)
MADE = list(catalogue().made)
TEXTS = ("text-crlf", "text-bom", "text-open-end", "text-binary")


def text_of(document: TestDocument) -> str:
    if document.mime == "text/plain":
        return document.data.decode("utf-8-sig")
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(document.data)).pages)


@pytest.mark.parametrize("name", list(catalogue().expected("complete")))
def test_what_is_to_become_a_text_holds_all_that_is_expected_of_it(name: str) -> None:
    document = make(name, "run-1", LIMITS)
    assert document.problems(text_of(document)) == []


@pytest.mark.parametrize("name", MADE)
def test_made_documents_are_the_same_for_the_same_order_only(name: str) -> None:
    document = make(name, "run-1", LIMITS)
    assert make(name, "run-1", LIMITS) == document
    assert document.filename.startswith("run-1-")
    for other in (make(name, "run-2", LIMITS), make(name, "run-1", LIMITS, seed=7)):
        assert other.filename != document.filename
        assert other.sha256 != document.sha256 or name == "empty"


def test_a_handbook_has_many_facts_over_several_pages() -> None:
    document = make("handbook", "run-1", LIMITS)
    assert document.handbook
    assert len(document.handbook.facts) == 20
    assert len(PdfReader(io.BytesIO(document.data)).pages) >= 4
    text = " ".join(text_of(document).split())
    for fact in document.handbook.facts:
        assert fact.follow_up
        for each in (fact, fact.follow_up):
            assert text.count(each.sentence) == 1
            assert text.count(each.figure) == 1
        assert document.handbook.place in fact.question
        assert document.handbook.place not in fact.follow_up.question


def test_sentinels_stand_at_the_beginning_in_the_middle_and_at_the_end() -> None:
    document = make("handbook", "run-1", LIMITS)
    assert document.handbook
    text = " ".join(text_of(document).split())
    first, middle, last = (text.index(sentinel) / len(text) for sentinel in document.handbook.sentinels)
    assert first < 0.01
    assert 0.3 < middle < 0.7
    assert text.endswith(document.handbook.sentinels[2])
    assert last > 0.95


@settings(max_examples=25)
@given(st.text(max_size=20), st.integers(min_value=0))
def test_a_decoy_says_the_same_of_another_place_with_other_figures(run: str, seed: int) -> None:
    true, decoy = write(run, "handbook", seed), write(run, "handbook", seed, decoy=True)
    assert true.place != decoy.place
    assert true.place not in decoy.text
    assert decoy.place not in true.text
    assert [section.heading for section in true.sections] == [section.heading for section in decoy.sections]
    assert not figures(true.text) & figures(decoy.text)
    for book in (true, decoy):
        all_facts = [each for fact in book.facts for each in (fact, fact.follow_up) if each]
        assert len({fact.figure for fact in all_facts}) == len(all_facts) == 40
        assert all(figures(fact.sentence) == {fact.figure} and fact.answered_by(fact.sentence) for fact in all_facts)
        assert book.lost_words(book.text) == []


def test_an_unanswered_question_asks_of_something_or_somewhere_else() -> None:
    book = write("run-1", "handbook")
    assert len(book.unanswered) >= 5
    assert all(book.place in question for question in book.unanswered[:-1])
    assert book.place not in book.unanswered[-1]
    assert not any(figures(question) for question in book.unanswered)


@given(st.data())
def test_lost_and_swapped_words_are_noticed(data: st.DataObject) -> None:
    book = write("run-1", "note", topics=2)
    kept = book.text.split()
    gap = data.draw(st.integers(min_value=0, max_value=len(kept) - 1))
    assert book.lost_words(" ".join(kept[:gap] + kept[gap + 1 :]))
    assert book.lost_words("# " + " \n\n ".join(kept)) == []
    half = len(kept) // 2
    assert book.lost_words(" ".join(kept[half:] + kept[:half]))


@given(st.integers(min_value=10_000, max_value=99_999))
def test_figures_are_found_however_they_are_written(number: int) -> None:
    for written in (f"{number}", f"{number:,}", f"{number:,}".replace(",", "."), f"{number:,}".replace(",", "\u202f")):
        assert figures(f"They hold {written} jars [2].") == {str(number)}
    assert str(number) not in figures(f"{number}1 and 7{number} and [{number}]")


def test_sizes_and_names_are_at_the_limit_and_one_beyond() -> None:
    for size in (50_000, 50_001, 99_999, 100_000, 5_242_880):
        limits = replace(LIMITS, max_file_size_bytes=size)
        fits = make("at-limit", "run-1", limits)
        assert len(fits.data) == size
        assert fits.problems(text_of(fits)) == []
        assert len(make("over-limit", "run-1", limits).data) == size + 1
    assert len(make("longest-name", "run-1", LIMITS).filename) == 120
    assert len(make("too-long-name", "run-1", LIMITS).filename) == 121
    with pytest.raises(EnvironmentUnavailable, match="exactly 100 bytes"):
        make("at-limit", "run-1", replace(LIMITS, max_file_size_bytes=100))


def of_types(*stated: str) -> Limits:
    return replace(LIMITS, kinds=FileKinds.stated(stated))


@pytest.mark.parametrize(
    ("name", "limits", "place"),
    [
        ("base64image", Limits(2_097_152, 120), "limits.max_file_size_bytes of 2,097,152"),
        ("base64image", LIMITS, "limits.max_file_size_bytes of 300,000"),
        ("pdfkit", of_types("text/plain"), "limits.supported_mime_types of application/pdf"),
        ("empty", of_types("text/*"), "limits.supported_mime_types of application/pdf"),
        ("plain-text", of_types(".txt", ".pdf"), "errors.unsupported_mime of text/plain"),
        ("plain-text", LIMITS, "errors.unsupported_mime of text/plain"),
        ("program", of_types("application/*"), "errors.unsupported_mime of application/x-msdownload"),
    ],
)
def test_what_the_limits_keep_out_is_not_offered(name: str, limits: Limits, place: str) -> None:
    with pytest.raises(NotOffered) as raised:
        limits.need_accepted(make(name, "run-1", limits))
    assert raised.value.place == place


@pytest.mark.parametrize("kinds", [("application/pdf",), ("application/p*",), (".pdf",)])
def test_what_is_refused_for_its_size_or_type_is_offered(kinds: tuple[str, ...]) -> None:
    limits = of_types(*kinds)
    for name in MADE:
        document = make(name, "run-1", limits)
        if document.mime == "text/plain" and name != "plain-text":
            with pytest.raises(OtherKind, match=r"limits\.supported_mime_types of text/plain"):
                limits.need_accepted(document)
        else:
            limits.need_accepted(document)


def test_text_files_are_judged_where_they_are_accepted_alone() -> None:
    both = of_types(".pdf", ".txt")
    for name in TEXTS:
        both.need_accepted(make(name, "run-1", both))
        with pytest.raises(OtherKind):
            LIMITS.need_accepted(make(name, "run-1", LIMITS))
    with pytest.raises(OtherKind):
        both.need_accepted(make("plain-text", "run-1", both))


def test_text_files_differ_in_what_is_easily_lost() -> None:
    crlf, bom, open_end, binary = (make(name, "run-1", LIMITS).data for name in TEXTS)
    assert crlf.count(b"\r\n") == crlf.count(b"\n") > 10 and crlf.endswith(b"\r\n")
    assert bom.startswith(b"\xef\xbb\xbf") and bom.endswith(b"\n") and b"\r" not in bom
    assert len(bom) > len(bom.decode("utf-8-sig")) + 3
    assert not open_end.endswith(b"\n")
    with pytest.raises(UnicodeDecodeError):
        binary.decode()
    assert make("text-crlf", "run-1", LIMITS).filename == "run-1-text-crlf.txt"


def test_a_program_is_refused_also_where_no_kinds_are_stated() -> None:
    program = make("program", "run-1", LIMITS)
    assert (program.filename, program.mime) == ("run-1-program.exe", "application/x-msdownload")
    LIMITS.need_accepted(program)


def test_without_the_core_nothing_can_be_known() -> None:
    limits = replace(LIMITS, max_file_size_bytes=1000)
    with pytest.raises(CapabilityMissing, match=r"upload of 'note'.* limits\.max_file_size_bytes of 1,000"):
        limits.need_accepted(make("note", "run-1", limits))


def test_kinds_may_be_stated_as_endings_and_are_then_known_by_them() -> None:
    found = FileKinds.stated([".txt", "PDF", "text/csv; charset=utf-8"])
    assert found == FileKinds(
        frozenset({"text/plain", "application/pdf", "text/csv"}), {"text/plain": ".txt", "application/pdf": ".pdf"}
    )
    assert FileKinds.stated(["documents"]) is None


@pytest.mark.parametrize(
    ("name", "kept"),
    [("--help", "--help.pdf"), ("n" * 120, "n" * 116 + ".pdf"), ("a.PDF", "a.PDF"), ("a.txt", "a.txt.pdf")],
)
def test_a_name_ends_as_its_kind_is_known_by(name: str, kept: str) -> None:
    by_ending, by_type = FileKinds.stated([".pdf", ".txt"]), FileKinds.stated(["application/pdf"])
    assert by_ending and by_ending.named(name, "application/pdf", 120) == kept
    assert by_type and by_type.named(name, "application/pdf", 120) == name


def test_bad_documents_are_bad_in_the_way_that_they_say() -> None:
    encrypted = PdfReader(io.BytesIO(make("encrypted", "run-1", LIMITS).data))
    assert encrypted.is_encrypted
    assert encrypted.decrypt("") == PasswordType.NOT_DECRYPTED
    assert encrypted.decrypt("run-1-password") != PasswordType.NOT_DECRYPTED
    assert write("run-1", "encrypted", topics=3).title in encrypted.pages[0].extract_text()
    assert text_of(make("images", "run-1", LIMITS)).strip() == ""
    blank = make("blank", "run-1", LIMITS)
    assert (text_of(blank).strip(), b"/Subtype /Image" in blank.data) == ("", False)
    assert make("empty", "run-1", LIMITS).data == b""
    assert make("executable", "run-1", LIMITS).data.startswith(b"MZ")
    assert b"%%EOF" not in make("truncated", "run-1", LIMITS).data
    plain = make("plain-text", "run-1", LIMITS)
    assert (plain.mime, Path(plain.filename).suffix) == ("text/plain", ".txt")


def test_a_document_says_what_is_missing_from_its_text(tmp_path: Path) -> None:
    document = make("note", "run-1", LIMITS)
    assert document.handbook
    sentinel = document.handbook.sentinels[2]
    short, *missing, lost = document.problems(document.handbook.text.replace(sentinel, "")[-300:])
    assert "expected at least 1500" in short
    assert [problem.split(": ")[0] for problem in missing] == ["the text does not hold"] * 3
    assert "words are lost" in lost
    assert document.problems(document.handbook.text.replace(sentinel, ""))[0] == f"the text does not hold: {sentinel}"
    with pytest.raises(ValueError, match="not expected to become a text"):
        make("empty", "run-1", LIMITS).problems("")
    assert document.save(tmp_path).read_bytes() == document.data


def test_refusals_are_the_contracts_and_failures_too() -> None:
    contract = read_contract(Path(__file__).parents[2] / "variables" / "contract.yaml")
    known = catalogue()
    for entry in (*known.real.values(), *known.made.values()):
        if isinstance(entry.expectation, Refused):
            assert hasattr(contract.errors, entry.expectation.error)
        elif isinstance(entry.expectation, Failed):
            assert entry.expectation.status in contract.jobs.failures


def test_all_mistakes_of_a_catalogue_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "documents.yaml").write_text(
        """
real:
  gone: {about: x, complete: {least_characters: 0}}
  twice: {about: x, complete: {least_characters: 5, contains: [a]}, refused: {error: too_large}}
made:
  handbook: {abuot: x, failed: {status: failed_parse, code: c}}
  unheard-of: {about: x, refused: {error: too_blue}}
""",
        encoding="utf-8",
    )
    with pytest.raises(ConfigurationError) as wrong:
        catalogue(tmp_path)
    for expected in (
        r"real\.gone\.complete\.least_characters: ",
        r"real\.gone: there is no file gone\.pdf",
        r"real\.gone\.complete\.contains: missing",
        r"real\.twice: must have exactly one of complete, failed, refused",
        r"made\.handbook\.about: missing",
        r"made\.handbook\.abuot: unknown field \(did you mean 'about'\?\)",
        r"made\.handbook\.failed\.says: missing",
        r"made\.unheard-of\.refused\.error: ",
        r"made\.unheard-of: nothing makes it",
        r"made\.note: missing",
    ):
        assert any(re.search(expected, problem) for problem in wrong.value.problems), expected


def test_the_catalogue_lists_every_file_and_unknown_names_are_told(tmp_path: Path) -> None:
    assert {path.stem for path in documents.FOLDER.glob("*.pdf")} == set(catalogue().real)
    with pytest.raises(ConfigurationError, match="no document is called 'handbok'; known: multicolumn"):
        make("handbok", "run-1", LIMITS)
    shutil.copy(documents.FOLDER / "documents.yaml", tmp_path)
    with pytest.raises(ConfigurationError) as wrong:
        catalogue(tmp_path)
    assert len(wrong.value.problems) == len(catalogue().real)


def test_templates_without_their_place_or_with_figures_are_mistakes() -> None:
    topic = {"heading": "A 1", "about": "b", "fact": "c {place}", "question": "d", "more": "{place} {figure}"}
    with pytest.raises(ValueError, match="3 validation errors") as wrong:
        handbook.Topic.model_validate({**topic, "follow_up": "e", "closing": "f"})
    assert {error["loc"][0] for error in wrong.value.errors()} == {"heading", "fact", "question"}  # type: ignore[attr-defined]


def test_a_part_of_a_text_without_spaces_is_found_in_it() -> None:
    found = " ".join(words("ISO港口在一九一二年。開港。"))
    assert f" {' '.join(words('港口在一九一二年'))} " in f" {found} "
    assert words("Der Hafen: 1,912 Plätze") == ["der", "hafen", "1", "912", "plätze"]
