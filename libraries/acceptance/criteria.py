"""What a run must decide, as data (`variables/criteria.yaml`): every criterion with its rule, its limits and what it needs."""

from __future__ import annotations

import operator
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from acceptance.data import Data, read_model
from acceptance.descriptor import CAPABILITIES

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
    threshold: float | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.must_be is None) != (self.threshold is None):
            raise ValueError("must_be and threshold go together")
        return self

    def kept_by(self, value: float) -> bool:
        """Whether the figure keeps the threshold."""
        return self.must_be is None or self.threshold is None or bool(_COMPARE[self.must_be](value, self.threshold))

    def looser_than(self, other: float) -> bool:
        """Whether this threshold lets more pass than `other` would."""
        return self.threshold is not None and self.threshold != other and self.kept_by(other)

    def __str__(self) -> str:
        return f"{self.must_be} {self.threshold:g} {self.unit}" if self.must_be else f"recorded in {self.unit}"


class Area(Data):
    """A group of criteria; its rule, where it has one, holds beside each criterion's own."""

    title: str
    source: str
    rule: str = ""


class Criterion(Data):
    """One thing to decide. `required` R gates the verdict, O is observed."""

    title: str
    required: Literal["R", "O"]
    rule: str
    limits: tuple[Limit, ...] = ()
    needs: tuple[Annotated[str, AfterValidator(_capability)], ...] = ()
    judged_by: Literal["test", "closing", "report"] = "test"
    status: Literal["planned"] | None = None


class Criteria(Data):
    """All criteria, by identifier, and the areas that they belong to."""

    areas: dict[str, Area]
    criteria: dict[str, Criterion]

    @model_validator(mode="after")
    def _identifiers(self) -> Self:
        wrong = [name for name in self.criteria if not re.fullmatch(r"[A-Z]+-\d\d", name) or area(name) not in self.areas]
        if wrong:
            raise ValueError(f"criteria: {', '.join(wrong)}: expected AREA-NN with one of the areas {', '.join(self.areas)}")
        return self

    @property
    def required(self) -> frozenset[str]:
        """Identifiers of the criteria that gate the verdict."""
        return frozenset(name for name, criterion in self.criteria.items() if criterion.required == "R")

    def claimed(self, words: list[str]) -> tuple[frozenset[str], list[str]]:
        """The identifiers that `words` (areas and identifiers) stand for, and the words that stand for nothing."""
        claims = {name for name in self.criteria if name in words or area(name) in words}
        return frozenset(claims), [word for word in words if word not in self.areas and word not in self.criteria]


def area(identifier: str) -> str:
    """The area of a criterion: INT for INT-07."""
    return identifier.partition("-")[0]


def read_criteria(path: Path) -> Criteria:
    """The criteria in a file.

    Raises:
        ConfigurationError: with every mistake in the file at once, by entry and field.
    """
    return read_model(path, Criteria)
