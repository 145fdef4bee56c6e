"""Errors by cause.

`Violation` (an `AssertionError`, made by :func:`violation`): the deployment is wrong, or stopped responding.
`EnvironmentUnavailable`: the test tooling, or a provider's interface, failed; nothing is known about the deployment.
`NotOffered`: the application does not offer what the check needs, by its contract; that part is not verified.
`CapabilityMissing`: the descriptor does not offer what the check needs; the criterion is not verified.
`Blocked`: a fixture could not be made; that violates the fixture's criterion once, and what needs it is not verified.
`NotApplicable`: the criterion's own rule excludes this deployment.
`SuiteError` (a `ValueError`): a mistake in a suite, such as an unknown user; nothing is known about the deployment.
`ProjectError`: any other exception of this project; nothing is known about the deployment.
`ConfigurationError`: invalid input of the run; nothing was judged.
"""

from __future__ import annotations

import json
import re
import traceback
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from ArtilleryLibrary.errors import ConfigurationError as ConfigurationError
from ArtilleryLibrary.errors import EnvironmentUnavailable as EnvironmentUnavailable
from ArtilleryLibrary.errors import NotWritten as NotWritten

LISTED = 10  # problems in one message
SHOWN = 300  # characters of a value in a message
_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Mn", "Zl", "Zp", "Zs"})


class CapabilityMissing(Exception):
    """The deployment does not offer what the check needs: a capability of the descriptor, or as `reason` states."""

    def __init__(self, capability: str, reason: str = "which the deployment's descriptor does not list") -> None:
        super().__init__(f"needs the capability '{capability}', {reason}")
        self.capability = capability


NOT_OFFERED = "not offered"


class NotOffered(Exception):
    """The contract marks what the check needs `absent`; `place` is its dotted path there."""

    def __init__(self, place: str) -> None:
        super().__init__(f"{NOT_OFFERED}: {place}")
        self.place = place


BLOCKED = "blocked by "


class Blocked(Exception):
    """A fixture that a check needs could not be made, for this reason.

    `first` says that nothing was blocked by it before: whoever meets it then has found it.
    """

    def __init__(self, fixture: str, reason: str, *, first: bool = True) -> None:
        super().__init__(f"{BLOCKED}'{fixture}' ({reason})")
        self.fixture, self.reason, self.first = fixture, reason, first


NOT_APPLICABLE = "not applicable: "
SUITE_ERROR = "mistake in the suite"
PROJECT_ERROR = "error of this project"
_OWN = "libraries"  # the folder of our code


class NotApplicable(Exception):
    """The criterion's own rule excludes this deployment."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{NOT_APPLICABLE}{reason}")


class SuiteError(ValueError):
    """A mistake in a suite: says what was written, and what could be."""

    def __str__(self) -> str:
        return f"{SUITE_ERROR}: {super().__str__()}"


class ProjectError(Exception):
    """An exception that this project did not expect, and where it was raised."""

    def __init__(self, error: BaseException) -> None:
        at = [frame for frame in traceback.extract_tb(error.__traceback__) if _OWN in Path(frame.filename).parts]
        place = f", at {Path(at[-1].filename).name}:{at[-1].lineno}" if at else ""
        super().__init__(f"{PROJECT_ERROR}: {type(error).__name__}: {error}{place}")


class Violation(AssertionError):
    """The deployment is wrong: `what` was checked, `expected` and `observed` values, and where to `look`."""

    def __init__(self, what: str, expected: str, observed: str, look: str = "") -> None:
        super().__init__(f"{what}: expected {expected}, observed {observed}" + (f"; {look}" if look else ""))
        self.what, self.expected, self.observed, self.look = what, expected, observed, look

    @property
    def request_id(self) -> str:
        """The request to search the deployment's logs for; empty where no single request failed."""
        found = re.search(r"\brequest ([\w.-]+)", str(self))
        return found[1] if found else ""


SEVERAL = "Several failures occurred:"  # how Robot Framework begins a message of several


def raise_each(violations: Sequence[Violation]) -> None:
    """Raise these, several of them as Robot Framework puts the failures of one test into one message."""
    if len(violations) == 1:
        raise violations[0]
    if violations:
        raise AssertionError(several(violations))


def several(violations: Sequence[Violation]) -> str:
    """These in one message, several of them as Robot Framework puts the failures of one test; empty where none is."""
    if len(violations) <= 1:
        return "".join(str(one) for one in violations)
    each = "\n\n".join(f"{number}) {one}" for number, one in enumerate(violations, 1))
    return f"{SEVERAL}\n\n{each}"


def shown(value: object, most: int = SHOWN) -> str:
    """A value in a message: texts in quotes, lists and mappings as JSON, what cannot be seen as an escape; cut."""
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    text = (
        json.dumps(value, ensure_ascii=False, default=str)
        if isinstance(value, str | list | tuple | dict)
        else str(value)
    )
    return cut(visible(text), most)


def cut(text: str, most: int = SHOWN) -> str:
    """The beginning of a text, and how long it is where that is not all; secrets are hidden before."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def visible(text: str) -> str:
    """Text with an escape for each character that cannot be seen, or looks like another one."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(letter) if _is_hidden(letter) else letter for letter in text)


def _is_hidden(letter: str) -> bool:
    # Cc, Cf, Co, Cs: no characters that are seen; Mn: joins the letter before; Zs, Zl, Zp: spaces other than ours
    return letter != "\n" and not " " <= letter <= "~" and unicodedata.category(letter) in _HIDDEN


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")


class NoAnswer(Exception):
    """A call came to no whole answer: after how many seconds, and whether its time was over or its connection ended.

    Raised as UnansweredCall (the deployment's fault) or UnansweredOnDisturbedPath (ours); workloads catch this.
    """

    elapsed: float
    timed_out: bool


class UnansweredCall(Violation, NoAnswer):
    """The deployment did not answer a call in time, or not in full."""

    def __init__(self, what: str, observed: str, look: str, *, elapsed: float, timed_out: bool) -> None:
        super().__init__(what, "an answer", observed, look)
        self.elapsed, self.timed_out = elapsed, timed_out


class UnansweredOnDisturbedPath(EnvironmentUnavailable, NoAnswer):
    """A call was not answered while a fault of this run disturbs the client's own path to the service."""

    def __init__(self, what: str, observed: str, look: str, *, elapsed: float, timed_out: bool) -> None:
        super().__init__(f"{what}: no answer ({observed}) while a fault disturbs the client's own path; {look}")
        self.elapsed, self.timed_out = elapsed, timed_out


class Unresponsive(Violation):
    """So many calls in a row were not answered in time that the run need not go on."""


def violation(what: str, *, expected: object, observed: object, look: str = "") -> Violation:
    """A violation of any expected and observed values."""
    return Violation(visible(what), visible(str(expected)), visible(str(observed)), visible(look))


def one_line(text: object) -> str:
    """What an interface says, as part of a message."""
    return cut(visible(" ".join(str(text).split())))


def error_text(error: BaseException) -> str:
    """An exception of a library in one line, with its type."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def shortened(problems: Iterable[str]) -> str:
    """Problems in one line: all of them, or the first ones and the number of the others."""
    found = list(problems)
    return "; ".join(found[:LISTED]) + (f"; and {len(found) - LISTED} more" if len(found) > LISTED else "")


def expect_none(problems: Iterable[str], what: str, *, expected: str) -> None:
    """Raise a violation that lists the problems, if any; of many, the first and their number."""
    found = list(problems)
    if found:
        raise violation(what, expected=expected, observed=shortened(found))
