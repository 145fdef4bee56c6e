"""Findings of accessibility: what axe-core found in states of the page, each rule once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from acceptance.errors import shortened

CRITERION = "SEC-07"
IMPACTS = ("critical", "serious", "moderate", "minor")


@dataclass
class Finding:
    """A rule that is broken: its severity, what it asks for, and where, with the state of the page."""

    rule: str
    impact: str
    asks: str
    places: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The rule with its severity."""
        return f"{self.impact}: {self.rule}"

    def __str__(self) -> str:
        return f"{self.asks}: {shortened(self.places)}"


def findings(states: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> list[Finding]:
    """The rules that are broken anywhere, the gravest first."""
    found: dict[str, Finding] = {}
    for state, violations in states:
        for one in violations:
            rule = str(one["id"])
            finding = found.setdefault(rule, Finding(rule, str(one.get("impact") or "minor"), str(one["help"])))
            finding.places += [f"{place} ({state})" for place in one["places"]]
    return sorted(found.values(), key=lambda one: ((*IMPACTS, one.impact).index(one.impact), one.rule))
