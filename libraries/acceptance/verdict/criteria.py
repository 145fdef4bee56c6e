"""The criteria (`variables/criteria.yaml`): each with its rule, limits and required capabilities."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from acceptance.deployment.descriptor import CAPABILITIES, Threshold
from acceptance.errors import ConfigurationError
from acceptance.yaml_models import PROJECT, Data, read_model

CRITERIA = PROJECT / "variables" / "criteria.yaml"
_NUMBERS = {
    "PRE": range(1, 4), "INT": range(1, 17), "PERF": (*range(1, 8), *range(10, 13)), "CLOUD": range(1, 6),
    "ERR": range(1, 10), "BRW": (1, 2, 4), "DOC": range(1, 4),
}  # fmt: skip
# What the mission requires: GO means all of it, whatever the file of criteria says.
MISSION = frozenset(f"{area}-{number:02}" for area, numbers in _NUMBERS.items() for number in numbers)
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Z]+-\d\d$")]
_COMPARE = {"at most": operator.le, "under": operator.lt, "at least": operator.ge, "over": operator.gt}


def _capability(name: str) -> str:
    if name not in CAPABILITIES:
        raise ValueError(f"no capability of this name; known are {', '.join(sorted(CAPABILITIES))}")
    return name


class Limit(Data):
    """A figure that must keep a threshold; without one, the figure only has to be recorded."""

    figure: str
    unit: str
    least_samples: int = Field(ge=1)
    must_be: Literal["at most", "under", "at least", "over"] | None = None
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.must_be is None) != (self.threshold is None):
            raise ValueError("must_be and threshold go together")
        return self

    def kept_by(self, value: float) -> bool:
        """Whether the figure keeps the threshold."""
        return self.must_be is None or self.threshold is None or bool(_COMPARE[self.must_be](value, self.threshold))

    def looser_than(self, other: Limit) -> bool:
        """Whether this threshold lets more pass than the other, of the same kind."""
        return other.threshold is not None and self.threshold != other.threshold and self.kept_by(other.threshold)

    def __str__(self) -> str:
        return f"{self.must_be} {self.threshold:g} {self.unit}" if self.must_be else f"recorded in {self.unit}"


class Area(Data):
    """A group of criteria; its rule, where it has one, holds beside each criterion's own."""

    title: str
    source: str
    rule: str = ""


class Criterion(Data):
    """One thing to decide. `required` R gates the verdict, O is observed.

    Without what it `needs` it cannot be known; for what it `asks` its tests say so themselves, where they have to.

    `flaky_allowed` is the reason why a test of it may pass on a second try only; without one, that violates it.
    Where it `may_not_apply`, its rule defines when, and its tests are then skipped. Where `siblings` is false, another
    deployment of the same build cannot prove it.
    """

    title: str
    required: Literal["R", "O"]
    rule: str
    limits: tuple[Limit, ...] = ()
    needs: tuple[Annotated[str, AfterValidator(_capability)], ...] = ()
    asks: tuple[Annotated[str, AfterValidator(_capability)], ...] = ()
    judged_by: Literal["test", "closing", "report"] = "test"
    status: Literal["planned"] | None = None
    flaky_allowed: str = ""
    may_not_apply: bool = False
    siblings: bool = True


class Counting(Data):
    """How long evidence counts, after it was recorded."""

    counts_for_hours: float = Field(gt=0, le=87_600)


class Criteria(Data):
    """All criteria, by identifier, and the areas that they belong to.

    `digest` is the SHA-256 of their file, `demoted` what the mission requires and the project's file does not.
    """

    digest: str = ""
    demoted: tuple[str, ...] = ()
    evidence: Counting
    areas: dict[str, Area]
    criteria: dict[Identifier, Criterion]

    @model_validator(mode="after")
    def _of_known_areas(self) -> Self:
        lost = [name for name in self.criteria if area(name) not in self.areas]
        if lost:
            raise ValueError(f"criteria {', '.join(lost)}: of no known area; known are {', '.join(self.areas)}")
        return self

    @property
    def required(self) -> frozenset[str]:
        """Identifiers of the criteria that gate the verdict."""
        return frozenset(name for name, criterion in self.criteria.items() if criterion.required == "R")

    def of(self, words: Sequence[str]) -> tuple[str, ...]:
        """The identifiers that `words` (areas and identifiers) stand for.

        Raises:
            ConfigurationError: a word stands for nothing.
        """
        unknown = [word for word in words if word not in self.areas and word not in self.criteria]
        if unknown:
            known = ", ".join(self.areas)
            raise ConfigurationError([f"{word}: neither an area ({known}) nor a criterion" for word in unknown])
        return tuple(name for name in self.criteria if name in words or area(name) in words)

    def with_thresholds(self, thresholds: Mapping[str, Threshold]) -> tuple[Criteria, list[str]]:
        """These criteria held against a deployment's own thresholds, and one line for each that is looser.

        Keys are `ID` for the first limit of a criterion, or `ID.figure`.

        Raises:
            ConfigurationError: there is no such limit, or a looser one gives no reason.
        """
        changed, relaxed, problems = dict(self.criteria), [], []
        held: set[tuple[str, str]] = set()
        for key, given in thresholds.items():
            name, _, figure = key.partition(".")
            limits = changed[name].limits if name in changed else ()
            limit = next((one for one in limits if one.must_be and figure in ("", one.figure)), None)
            if limit is None:
                problems.append(f"thresholds.{key}: no criterion has such a limit")
                continue
            if (name, limit.figure) in held:
                problems.append(f"thresholds.{key}: this limit has a threshold already, under another key")
                continue
            held.add((name, limit.figure))
            new = limit.model_copy(update={"threshold": given.value})
            if new.looser_than(limit):
                if not given.reason:
                    problems.append(f"thresholds.{key}: {new} is looser than {limit} and needs a reason")
                relaxed.append(f"{key} {new} instead of {limit}: {given.reason}")
            replaced = tuple(new if one is limit else one for one in limits)
            changed[name] = changed[name].model_copy(update={"limits": replaced})
        if problems:
            raise ConfigurationError(problems)
        return self.model_copy(update={"criteria": changed}), relaxed

    def with_strictest(self, given: Sequence[Mapping[str, Threshold]]) -> tuple[Criteria, list[str]]:
        """These criteria against the thresholds of several runs: of each limit the strictest that one of them had.

        What cannot be held against a limit any more (it was renamed since) leaves the criterion's own.
        """
        alone = []
        for thresholds in given:
            try:
                alone.append(self.with_thresholds(thresholds))
            except ConfigurationError:
                return self, []
        if not alone:
            return self, []
        strictest = alone[0][0]
        for other, _ in alone[1:]:
            both = {name: _stricter(one, other.criteria[name]) for name, one in strictest.criteria.items()}
            strictest = self.model_copy(update={"criteria": both})
        relaxed = dict.fromkeys(line for _, lines in alone for line in lines)
        return strictest, [line for line in relaxed if self._is_looser(strictest, re.split(r"[. ]", line)[0])]

    def _is_looser(self, other: Criteria, name: str) -> bool:
        pairs = zip(other.criteria[name].limits, self.criteria[name].limits, strict=True)
        return any(limit.looser_than(own) for limit, own in pairs)


def _stricter(one: Criterion, other: Criterion) -> Criterion:
    limits = tuple(b if a.looser_than(b) else a for a, b in zip(one.limits, other.limits, strict=True))
    return one.model_copy(update={"limits": limits})


def area(identifier: str) -> str:
    """The area of a criterion: INT for INT-07."""
    return identifier.partition("-")[0]


def read_criteria(path: Path) -> Criteria:
    """The criteria in a file.

    Raises:
        ConfigurationError: with every mistake in the file at once, by entry and field.
    """
    criteria = read_model(path, Criteria)
    demoted = tuple(sorted(MISSION - criteria.required)) if path == CRITERIA else ()
    return criteria.model_copy(update={"digest": sha256(path.read_bytes()).hexdigest(), "demoted": demoted})


@cache
def known_criteria() -> Criteria:
    """Those of the project, read once in a process."""
    return read_criteria(CRITERIA)


def limit_for(thresholds: Mapping[str, Threshold], criterion: str, figure: str) -> Limit:
    """The limit of a criterion's figure, with a deployment's own threshold where it has one."""
    criteria, _ = read_criteria(CRITERIA).with_thresholds(thresholds)
    return next(limit for limit in criteria.criteria[criterion].limits if limit.figure == figure)
