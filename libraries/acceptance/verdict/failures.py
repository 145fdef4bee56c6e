"""What failed: messages of tests taken apart, and grouped by root cause."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property

from acceptance.errors import BLOCKED, NOT_OFFERED, PROJECT_ERROR, SEVERAL, SUITE_ERROR
from acceptance.yaml_models import Data

# How Robot Framework puts several failures of one test, and of what surrounds it, into one message.
FURTHER = (SEVERAL, "Also teardown failed:", "Also failure occurred:", "Also parent suite teardown failed:")
_SETUP = re.compile(
    r"^(?:(?:Parent suite s|S)etup failed:\n|Failed test skipped using [^\n]*\n+(?:Original failure:\n)?)*"
)
_NUMBERED = re.compile(r"(?:^|\n\n)\d+\) ")  # between the failures of one test
_SPLIT = re.compile("|".join(rf"\n\n{re.escape(words)}\n" for words in FURTHER))
# What Robot Framework says of mistakes in a suite, before any keyword has looked at the deployment.
_MISTAKES = (
    r"(?:ConfigurationError|EnvironmentUnavailable|UnansweredOnDisturbedPath|NotWritten|CapabilityMissing): ",
    rf"{NOT_OFFERED}: ",
    rf"{BLOCKED}'",
    re.escape(PROJECT_ERROR),
    re.escape(SUITE_ERROR),
    r"No keyword with name '",
    r"Variable '[^']*' (?:not found|is )",
    r"Resolving (?:variable|expression) ",
    r"Setting variable |Evaluating expression |Multiple keywords ",
    r"(?:FOR|IF|WHILE|TRY|VAR|Invalid|Importing) ",
    r"ValueError: Argument '",
    r"Keyword '[^']*' (?:can|expected|got|missing|is) ",
)
_MISTAKE = re.compile("|".join(_MISTAKES))
_LAID_OUT = re.compile(
    r"(?P<what>.+?): expected (?P<expected>.*?), observed (?P<observed>.*?)"
    r"(?:; (?P<look>(?:GET|POST|PUT|DELETE|PATCH|HEAD|OPTIONS) [^;\n]*?request [\w.-]+(?:, as [^;\s]+)?))?",
    re.DOTALL,
)
# What differs from one occurrence of a cause to the next: identifiers, addresses, amounts; a status stays.
_CHANGING = re.compile(
    r"[\w.+-]+@[\w.-]+|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b\d{8}-\d{6}-[\w-]+|\b[0-9a-f]{16,}\b"
    r"|\b(?![1-5]\d\d\b)\d[\d.,:]*"
)
_VARYING = re.compile(rf"{_CHANGING.pattern}|'[^']*'")
_STATUS = re.compile(r"(?:status )?([1-5])\d\d\b")
_BY_STATUS = re.compile(r"\b(\w+): expected (?:status (\d{3})|no fault), observed (\d{3})\b([^;\n]*)")
_REFUSED = re.compile(r"(\w+) (401|403|404) (2)\d\d")  # the key of a route that serves whom it should refuse
PROTECTION = {"INT-03", "INT-04", "INT-16", "SEC-03"}  # criteria of who may call what, and the recording of it
KEPT = 300  # characters that tell one cause from another


class Failure(Data):
    """One failure: what was checked, and what was expected and observed, as far as its text says so."""

    text: str

    @cached_property
    def _parts(self) -> dict[str, str | None]:
        found = _LAID_OUT.fullmatch(self.text)
        return found.groupdict() if found else {}

    @property
    def what(self) -> str:
        return self._parts.get("what") or ("" if self._parts else self.text)

    @property
    def expected(self) -> str:
        return self._parts.get("expected") or ""

    @property
    def observed(self) -> str:
        return self._parts.get("observed") or ""

    @property
    def look(self) -> str:
        return self._parts.get("look") or ""

    @property
    def request(self) -> str:
        """Method, path and identifier of the request that it looks at; empty where none is named."""
        return self.look.partition(", as ")[0]

    @property
    def lines(self) -> list[str]:
        """Laid out for a console: what was checked, then a line for each of expected, observed and where to look."""
        parts = (("expected", self.expected), ("observed", self.observed), ("look at", self.look))
        return [*self.what.splitlines(), *(f"  {word:9} {text}" for word, text in parts if text)]

    @property
    def key(self) -> str:
        """The same for failures of one cause."""
        text = self.text.removesuffix(f"; {self.look}") if self.look else self.text
        if found := _BY_STATUS.search(text):  # whichever test met it
            route, expected, observed, body = found.groups()
            if observed[0] == "5":
                return f"{route} {observed}"
            return f"{route} {expected} {observed}" + ("" if observed[0] == "2" else _VARYING.sub("#", body)[:KEPT])
        # What we say ourselves has names in quotes: two capabilities are two causes.
        varying = _CHANGING if self.is_ours else _VARYING
        return varying.sub("#", text)[:KEPT]

    @property
    def is_by_status(self) -> bool:
        """Whether a route answered with another status than expected: its cause is the same in whichever test."""
        return not self.is_ours and _BY_STATUS.search(self.text) is not None

    @property
    def words(self) -> str:
        """The key with what stands in quotes: the same only for failures of one and the same thing."""
        text = self.text.removesuffix(f"; {self.look}") if self.look else self.text
        return self.key if self.is_by_status else _CHANGING.sub("#", text)[:KEPT]

    @property
    def is_ours(self) -> bool:
        """Whether it says nothing of the deployment: a tool, a suite or a fixture failed, or nothing is offered."""
        return _MISTAKE.match(self.text) is not None

    @property
    def weight(self) -> int:
        """What is read first: what should have been refused, faults of the server, then the rest."""
        found = _STATUS.match(self.observed)
        return {"2": 0, "5": 1}.get(found[1], 2) if found else 2


class RootCause(Data):
    """Failures that are one: the first of them, and the tests and criteria that fail by it."""

    failure: Failure
    tests: tuple[str, ...]
    criteria: tuple[str, ...]


def failures_in(message: str) -> list[Failure]:
    """The different failures in a test's message, in their order.

    What follows from an earlier one is left out: steps that miss what it should have brought.
    """
    whole = _SETUP.sub("", message)
    texts = [
        part.strip()
        for piece in _SPLIT.split(whole)
        for part in (_NUMBERED.split(piece.removeprefix(SEVERAL))[1:] if piece.startswith(SEVERAL) else [piece])
    ]
    found: dict[str, Failure] = {}
    for text in texts:
        failure = Failure(text=text)
        if text and text != SEVERAL and not (found and failure.is_ours):
            found.setdefault(failure.key, failure)
    return list(found.values())


def cause_of(message: str) -> Failure:
    """The failure that a test's message is read by: the first that says something of the deployment, else the first."""
    found = failures_in(message) or [Failure(text=message)]
    return next((one for one in found if not one.is_ours), found[0])


def root_causes(failed: Iterable[tuple[str, str, str]]) -> list[RootCause]:
    """Failed tests grouped by their cause, the most telling group first.

    Args:
        failed: criterion, name and message of each failed test.
    """
    met = [(criterion, test, failure) for criterion, test, message in failed for failure in causes_of(message)]
    faults = {one.request: one.key for _, _, one in met if one.request and one.is_by_status and one.observed[0] == "5"}
    open_to_all = {found[1] for _, _, one in met if (found := _REFUSED.fullmatch(one.key)) and found[2] == "401"}
    groups: dict[str, list[RootCause]] = {}
    for criterion, test, failure in met:
        found = _REFUSED.fullmatch(failure.key)
        unprotected = found is not None and found[1] in open_to_all and criterion in PROTECTION
        fault = "" if failure.is_by_status else faults.get(failure.request, "")
        alike = groups.setdefault(fault or (f"{found[1]} open" if found and unprotected else failure.key), [])
        number = next((n for n, one in enumerate(alike) if fault or _is_one(one, failure, criterion)), len(alike))
        known = alike[number] if number < len(alike) else RootCause(failure=failure, tests=(), criteria=())
        update = {"tests": _with(known.tests, test), "criteria": _with(known.criteria, criterion)}
        alike[number : number + 1] = [known.model_copy(update=update)]
    causes = [cause for alike in groups.values() for cause in alike]
    return sorted(causes, key=lambda cause: (cause.failure.weight, -len(cause.tests)))


def causes_of(message: str) -> list[Failure]:
    """What a test's message is read by, and the other answers in it that another status was expected of."""
    cause = cause_of(message)
    return [cause, *(one for one in failures_in(message) if one.is_by_status and one.key != cause.key)]


def _is_one(cause: RootCause, failure: Failure, criterion: str) -> bool:
    """Whether a failure of the same key is of this cause: ours and a route's are, and what breaks the same promise.

    Of two promises whose failures are alike in their words, each has a cause of its own, unless it is the same thing.
    """
    by_itself = failure.is_ours or failure.is_by_status
    return by_itself or criterion in cause.criteria or failure.words == cause.failure.words


def other_failures(message: str) -> str:
    """How many failures there are beside the cause, in words; empty where there is none."""
    more = len(failures_in(message)) - 1
    return f"and {more} other failure{'s' if more > 1 else ''}" if more > 0 else ""


def summary_of(message: str) -> str:
    """A test's message in one piece: its cause, and how many other failures there are."""
    others = other_failures(message)
    return cause_of(message).text + (f" ({others})" if others else "")


def grouped(failed: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Failed tests, name and message, as one line for each root cause."""
    for cause in root_causes(("", test, message) for test, message in failed):
        more = len(cause.tests) - 1
        also = f" (and {more} more test{'s' if more > 1 else ''})" if more else ""
        yield f"{cause.tests[0]}: {cause.failure.text}{also}"


def _with(known: tuple[str, ...], one: str) -> tuple[str, ...]:
    return known if one in known else (*known, one)
