"""Validates the report (BRW-05, DOC-01…03) before the evidence is sealed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser

from acceptance.evidence.reader import Bundle
from acceptance.report.analysis import SECTIONS
from acceptance.report.documents import NAMES, decisions_of, documents
from acceptance.report.handoff import BY_MACHINE, CRITERION, handoff, problems_of
from acceptance.report.markdown import PAGE, anchor, anchor_of_tests, lost_references, target, without_references
from acceptance.report.page import page
from acceptance.report.rows import is_claimed
from acceptance.report.view_model import LEAST_SAMPLES
from acceptance.verdict.criteria import Criteria
from acceptance.verdict.gate import Gate

ANALYSIS = NAMES[-1]
MOST = 5  # problems of one kind that are listed one by one
_LINK = re.compile(rf"\]\({re.escape(PAGE)}#([^)\s]+)\)")
_OBSERVED = re.compile(rf"\]\({re.escape(PAGE)}#{anchor('')}[^)\s]+\)")
_LOG_LINK = re.compile(r"\]\(([^()\s]*log\.html#[^()\s]*)\)")
_LEAKS = re.compile(r"\{\{|\{%|\{#|\bNone\b|\bnan\b|\bUndefined\b")
_CELLS = re.compile(r"(?<!\\)\|")


def problems(gate: Gate, bundles: Sequence[Bundle], criteria: Criteria) -> dict[str, list[str]]:
    """The problems of the report that would be written, by BRW-05, DOC-01, DOC-02 and DOC-03."""
    written = documents(gate, bundles, criteria)
    seen = read_page(page(gate, bundles, criteria))
    again = documents(gate, bundles, criteria)
    wrong_with_documents = [
        *_there(written, again),
        *_linked(written, seen, gate, bundles),
        *_named(written, bundles),
        *_leaks(written, _texts(gate, bundles, criteria)),
        *_tables(written),
    ]
    return {
        "DOC-01": wrong_with_documents,
        "DOC-02": list(_page(seen, gate, bundles)),
        "DOC-03": list(_analysis(without_references(written.get(ANALYSIS, "")))),
        **_handed_over(gate, bundles),
    }


def _handed_over(gate: Gate, bundles: Sequence[Bundle]) -> dict[str, list[str]]:
    """The problems of the handoff, where the run judged browsers at all."""
    if not any(row.tests for row in gate.criteria if row.id in BY_MACHINE):
        return {}
    written = handoff(gate, bundles)
    changed = [] if written == handoff(gate, bundles) else ["handoff.html differs when it is written again"]
    return {CRITERION: [*problems_of(written, gate), *changed]}


class ReadPage(HTMLParser):
    """A parsed page: its text, anchors, links, and number of charts."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.charts = 0
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect anchors, links and charts."""
        given = dict(attrs)
        self.anchors.add(given.get("id") or "")
        self.links.add(given.get("href") or "")
        if tag in ("script", "style", "figure"):
            self._inside.append(tag)
        self.charts += tag == "svg" and "figure" in self._inside

    def handle_endtag(self, tag: str) -> None:
        """Leave an element without readable text."""
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        """Collect the readable text."""
        if not {"script", "style"} & set(self._inside):
            self.text.append(data)


def read_page(html: str) -> ReadPage:
    """The page, parsed."""
    reader = ReadPage()
    reader.feed(html)
    reader.close()
    return reader


def _there(written: Mapping[str, str], again: Mapping[str, str]) -> Iterator[str]:
    for name in NAMES:
        if not written.get(name, "").strip():
            yield f"{name} is {'empty' if name in written else 'not written'}"
        elif written[name] != again.get(name):
            yield f"{name} is another one when it is written again from the same evidence"


def _linked(written: Mapping[str, str], seen: ReadPage, gate: Gate, bundles: Sequence[Bundle]) -> Iterator[str]:
    known = {anchor(f"{bundle.run}/{one.reference}") for bundle in bundles for one in bundle.observations}
    known |= {anchor(f"{bundle.run}/{one.reference}") for bundle in bundles for one in bundle.series}
    known |= {anchor_of_tests(row.id) for row in gate.criteria if row.tests}
    logged = {target(test.link) for row in gate.criteria for test in row.tests if test.link}
    for name, text in written.items():
        resolved = without_references(text)
        targets = dict.fromkeys(_LINK.findall(resolved))
        nowhere = [one for one in targets if one not in seen.anchors]
        unseen = [one for one in targets if one not in known]
        unlogged = [one for one in dict.fromkeys(_LOG_LINK.findall(resolved)) if one not in logged]
        yield from _some(f"{name} links to {PAGE}#{one}, which the page does not have" for one in nowhere)
        yield from _some(
            f"{name} links to {PAGE}#{one}, which is no observation of the evidence, and no list of tests"
            for one in unseen
        )
        yield from _some(f"{name} links to {one}, where no test stands" for one in unlogged)
        yield from _some(f"{name} refers to [{one}], which is not one link" for one in lost_references(text))


def _named(written: Mapping[str, str], bundles: Sequence[Bundle]) -> Iterator[str]:
    name = NAMES[1]
    for decision in decisions_of(bundles):
        if decision.sha256 not in written.get(name, ""):
            yield f"{name} does not name the decision {decision.file} with its SHA-256"


def _leaks(written: Mapping[str, str], evidence: str) -> Iterator[str]:
    """Missing values that a template rendered; a word that the evidence contains is none."""
    for name, text in written.items():
        found = sorted({leak for leak in _LEAKS.findall(text) if leak not in evidence or leak.startswith("{")})
        yield from (f"{name} shows '{leak}', which no reader should see" for leak in found)


def _texts(gate: Gate, bundles: Sequence[Bundle], criteria: Criteria) -> str:
    decisions = [decision.model_dump_json() for decision in decisions_of(bundles)]
    return "\n".join([gate.model_dump_json(), criteria.model_dump_json(), *decisions])


def _tables(written: Mapping[str, str]) -> Iterator[str]:
    for name, text in written.items():
        wrong = broken_rows(text)
        yield from _some(f"{name}:{line}: the row of a table has not the cells of its head" for line in wrong)


def broken_rows(markdown: str) -> list[int]:
    """The lines of a Markdown text that are rows of a table and have not as many cells as its head."""
    wrong, cells = [], 0
    for number, line in enumerate(markdown.splitlines(), start=1):
        if not line.startswith("|"):
            cells = 0
            continue
        found = len(_CELLS.findall(line))
        cells = cells or found
        if found != cells or not line.endswith("|"):
            wrong.append(number)
    return wrong


def _page(seen: ReadPage, gate: Gate, bundles: Sequence[Bundle]) -> Iterator[str]:
    text = " ".join(" ".join(seen.text).split())
    words = set(re.findall(r"[\w-]+", text))
    if gate.verdict not in words:
        yield f"{PAGE} does not name the verdict {gate.verdict}"
    lost = [row.id for row in gate.criteria if row.id not in words or row.id not in seen.anchors]
    yield from _some(f"{PAGE} has no row for {name}" for name in lost)
    unlisted = [row.id for row in gate.criteria if row.tests and is_claimed(row)]
    unlisted = [name for name in unlisted if anchor_of_tests(name) not in seen.anchors]
    yield from _some(f"{PAGE} does not list the tests of {name}" for name in unlisted)
    claimed = [row for row in gate.criteria if is_claimed(row)]
    links = dict.fromkeys(test.link for row in claimed for test in row.tests if test.link)
    yield from _some(f"{PAGE} has no link to {link}" for link in links if link not in seen.links)
    if _is_drawable(gate, bundles) and not seen.charts:
        yield f"{PAGE} has no chart, though there are distributions or series in the evidence"


def _is_drawable(gate: Gate, bundles: Sequence[Bundle]) -> bool:
    """Whether there are enough samples of one figure, or a series, of the deployment that is judged."""
    claimed = [row for row in gate.criteria if is_claimed(row)]
    if any(figure.statistic and figure.samples >= LEAST_SAMPLES for row in claimed for figure in row.figures):
        return True
    runs = {one.run for one in gate.runs if one.deployment == gate.deployment}
    names = {row.id for row in gate.criteria}
    return any(one.criterion in names for bundle in bundles if bundle.run in runs for one in bundle.series)


def _analysis(summary: str) -> Iterator[str]:
    parts = re.split(r"^#+ +(.*)$", summary, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    for title in (one.title for one in SECTIONS):
        text = sections.get(title)
        if text is None:
            yield f"{ANALYSIS} has no section '{title}'"
        elif not _OBSERVED.search(text) and not re.search(r"^Not verified: \S", text, re.MULTILINE):
            yield f"the section '{title}' of {ANALYSIS} neither holds a linked observation nor says 'Not verified: …'"


def _some(sentences: Iterator[str]) -> Iterator[str]:
    found = list(sentences)
    yield from found[:MOST]
    if len(found) > MOST:
        yield f"and {len(found) - MOST} more of the same kind"
