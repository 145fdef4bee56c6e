"""The handoff of browsers (BRW-05): what was judged by machine, what is left for a person, and the pictures beside it.

A person's answers stand in `variables/answers/<deployment>.yaml`, and enter the evidence of the next run.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import escape
from pydantic import Field

from acceptance.errors import ConfigurationError
from acceptance.evidence.reader import Bundle
from acceptance.evidence.records import Observation
from acceptance.report.rows import WORDS, state_of
from acceptance.verdict.criterion_results import Row, Tried
from acceptance.verdict.failures import summary_of
from acceptance.verdict.gate import Gate
from acceptance.yaml_models import PROJECT, Data, read_model

PAGE = "handoff.html"
CHECKLIST = PROJECT / "variables" / "handoff.yaml"
ANSWERS = PROJECT / "variables" / "answers"
CRITERION = "BRW-05"
LOOKS = "BRW-03"
STRIPS = ("pictures of ", "differences of ")  # how the observations with pictures of steps are called
BY_MACHINE = ("BRW-01", "BRW-02", "BRW-04", "PERF-10", "SEC-07")
TEMPLATES = Path(__file__).with_name("templates")


class Check(Data):
    """One thing that a person looks at, how, and why no machine decided it."""

    what: str
    steps: tuple[str, ...] = Field(min_length=1)
    why: str


class Device(Data):
    """A browser on a device; `machine` are the names of the tests that judged its engine."""

    name: str
    machine: tuple[str, ...]
    checks: dict[str, Check] = Field(min_length=1)


class Checklist(Data):
    devices: dict[str, Device] = Field(min_length=1)


class Answer(Data):
    """What a person found; `check` is `device.check`."""

    check: str
    result: Literal["passed", "failed", "skipped"]
    by: str = Field(min_length=1)
    when: date
    note: str = ""

    def __str__(self) -> str:
        return f"{self.result} by {self.by} on {self.when}" + (f": {self.note}" if self.note else "")


class Answers(Data):
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A strip of pictures: what it shows, its steps, and the image as an address; empty where the file is gone."""

    title: str
    steps: tuple[str, ...]
    address: str


def read_checklist(path: Path = CHECKLIST) -> Checklist:
    """The checklist; raises ConfigurationError with its mistakes."""
    return read_model(path, Checklist)


def read_answers(deployment: str, folder: Path = ANSWERS) -> list[Answer]:
    """The answers for a deployment; none where there is no file.

    Raises:
        ConfigurationError: with every mistake, such as an answer to what is not asked.
    """
    path = folder / f"{deployment}.yaml"
    if not path.exists():
        return []
    found = read_model(path, Answers).answers
    asked = {f"{name}.{check}" for name, device in read_checklist().devices.items() for check in device.checks}
    if unknown := [one.check for one in found if one.check not in asked]:
        known = ", ".join(sorted(asked))
        raise ConfigurationError([f"{path}: no check is called {', '.join(unknown)}; there are {known}"])
    return list(found)


def handoff(gate: Gate, bundles: Sequence[Bundle], folder: Path | None = None) -> str:
    """The page as HTML; the same evidence gives the same bytes.

    Args:
        folder: of the run, with the pictures; none: without them.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"state": lambda row: WORDS[state_of(row)], "summary_of": summary_of}
    checklist = read_checklist()
    rows = [row for row in gate.criteria if row.id in BY_MACHINE]
    return environment.get_template("handoff.html.jinja").render(
        gate=gate,
        devices=[(name, one, list(_tests_of(one, rows))) for name, one in checklist.devices.items()],
        rows=rows,
        others=_tests_of_no_device(checklist, rows),
        engines=sorted({str(one.value) for one in _observations(bundles) if one.name.startswith("engine ")}),
        answers=answers_of(bundles),
        pictures=list(_pictures(bundles, folder)),
        file=f"variables/answers/{gate.deployment}.yaml",
    )


def answers_of(bundles: Sequence[Bundle]) -> dict[str, str]:
    """The answers in the evidence, by check; the last one of each."""
    return {one.name: str(one.value) for one in _observations(bundles) if one.criterion == CRITERION}


def open_checks(bundles: Sequence[Bundle]) -> list[tuple[str, str]]:
    """The checks that no person has answered: device, and what to look at."""
    answered = answers_of(bundles)
    return [
        (device.name, check.what)
        for name, device in read_checklist().devices.items()
        for key, check in device.checks.items()
        if f"{name}.{key}" not in answered
    ]


def _observations(bundles: Sequence[Bundle]) -> list[Observation]:
    return [one for bundle in bundles for one in bundle.observations]


def problems_of(written: str, gate: Gate) -> list[str]:
    """What the page as written does not show: tests that judged a browser, and checks that are left for a person."""
    tests = {escape(test.name) for row in gate.criteria if row.id in BY_MACHINE for test in row.tests}
    checks = {f"{name}.{check}" for name, device in read_checklist().devices.items() for check in device.checks}
    return [f"handoff.html does not show {one}" for one in sorted(tests | checks) if f">{one}<" not in written]


def _tests_of(device: Device, rows: Sequence[Row]) -> Iterator[tuple[str, Tried]]:
    for row in rows:
        for test in row.tests:
            if any(test.name.endswith(f".{name}") for name in device.machine):
                yield row.id, test


def _tests_of_no_device(checklist: Checklist, rows: Sequence[Row]) -> list[tuple[str, Tried]]:
    placed = {test.name for device in checklist.devices.values() for _, test in _tests_of(device, rows)}
    return [(row.id, test) for row in rows for test in row.tests if test.name not in placed]


def _pictures(bundles: Sequence[Bundle], folder: Path | None) -> Iterator[Picture]:
    for bundle in bundles:
        for one in bundle.observations:
            if one.criterion != LOOKS or one.artifact is None or not one.name.startswith(STRIPS):
                continue
            path = folder / bundle.home / one.artifact.path if folder is not None else None
            address = ""
            if path is not None and path.is_file():
                address = f"data:image/webp;base64,{base64.b64encode(path.read_bytes()).decode()}"
            yield Picture(one.name, tuple(str(one.value).split("; ")), address)
