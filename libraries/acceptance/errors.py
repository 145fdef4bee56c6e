"""What can go wrong, by who has to act on it.

`Violation` (an `AssertionError`, made by :func:`violation`): the deployment is wrong, or stopped answering.
`EnvironmentUnavailable`: our own tool, or a provider's interface, was not there; nothing is known about the deployment.
`CapabilityMissing`: the descriptor does not offer what the check needs; it cannot be known here.
`NotApplicable`: the criterion's own rule says that it does not apply to this deployment.
`ConfigurationError`: the person who started the run has to change something; nothing was judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

SHOWN = 10  # of many problems, as many as a reader takes in


class EnvironmentUnavailable(Exception):
    """Our own tool, or a provider's interface, was not there."""


class NotWritten(EnvironmentUnavailable, OSError):
    """What was seen cannot be written down, as on a full disk: `strerror` says why, `filename` where."""


class CapabilityMissing(Exception):
    """The deployment does not offer what the check needs: a capability of the descriptor, or as `reason` says."""

    def __init__(self, capability: str, reason: str = "which the deployment's descriptor does not list") -> None:
        super().__init__(f"needs the capability '{capability}', {reason}")
        self.capability = capability


NOT_APPLICABLE = "not applicable: "


class NotApplicable(Exception):
    """The criterion says by its own rule that it does not apply here."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{NOT_APPLICABLE}{reason}")


class ConfigurationError(Exception):
    """Bad input: every mistake at once, each saying what, where and what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Violation(AssertionError):
    """The deployment is wrong: `what` was looked at, what was `expected`, what was `observed`, and where to `look`."""

    def __init__(self, what: str, expected: str, observed: str, look: str = "") -> None:
        super().__init__(f"{what}: expected {expected}, observed {observed}" + (f"; {look}" if look else ""))
        self.what, self.expected, self.observed, self.look = what, expected, observed, look

    @property
    def request_id(self) -> str:
        """The request that the deployment's logs can be searched for, or nothing where there was no single one."""
        found = re.search(r"\brequest ([\w.-]+)", str(self))
        return found[1] if found else ""


def violation(what: str, *, expected: object, observed: object, look: str = "") -> Violation:
    """An assertion that says what was expected, what was observed, and where to look."""
    return Violation(what, str(expected), str(observed), look)


def expect_none(problems: Iterable[str], what: str, *, expected: str) -> None:
    """Raises a violation with every problem that there is, or of many the first ones and their number."""
    found = list(problems)
    if found:
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise violation(what, expected=expected, observed="; ".join(found[:SHOWN]) + more)
