"""Past gates of a deployment: how each figure was, and whether it got worse (docs/decisions/0007)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from acceptance.evidence.records import Identifier, Past, Time, Trend, Words
from acceptance.verdict.gate import Gate, Verdict
from acceptance.verdict.metrics import Figure
from acceptance.yaml_models import Data

TREND_POINTS = 30  # points of a trend
RECENT = 3  # runs that are held against those before, the judged one among them
LEAST_BEFORE = 9  # with fewer, not even the clearest difference reaches ALPHA
MOST_BEFORE = 20
ALPHA = 0.005
MARGIN = 0.10  # a smaller share is irrelevant, however significant
LEAST_SHIFT = {"ms": 10.0, "s": 0.010, "%": 0.5}  # likewise, by unit

READ = 1000  # files at most, the newest
LARGEST = 1_000_000  # bytes of a file
LISTED = 3  # unusable files, by name
_NAME = re.compile(r"\d{8}T\d{9}Z-.+\.json", re.DOTALL)


class Known(Data):
    """A figure of a past gate."""

    name: Words
    unit: Words
    value: Annotated[float, Field(strict=True, allow_inf_nan=False)]
    samples: Annotated[int, Field(strict=True, ge=1)]


class Remembered(Data):
    """What is kept of a gate, in a file of its own: `time` is when its last run ended, `name` which run it was."""

    format: Literal[1] = 1
    run: Words
    time: Time
    name: Words
    deployment: Words
    build: str | None
    verdict: Verdict
    figures: dict[Identifier, tuple[Known, ...]]

    def value_of(self, criterion: str, figure: Figure) -> float | None:
        """The value of a figure in the same unit."""
        figures = self.figures.get(criterion, ())
        return next((one.value for one in figures if (one.name, one.unit) == (figure.name, figure.unit)), None)


def remember(folder: Path, gate: Gate) -> None:
    """Add a gate to the history, in one atomic write.

    Only gates with sealed, valid evidence are added, whatever the verdict: others must not become the reference of
    later runs. Figures of siblings, and of too few samples, are left out for the same reason.

    Raises:
        OSError: the folder cannot be written.
    """
    if gate.unsound or not gate.runs or not all(run.seal for run in gate.runs):
        return
    figures: dict[str, list[Known]] = {}
    for criterion, figure in _limited(gate):
        if not figure.missing and isinstance(figure.value, float):
            known = Known(name=figure.name, unit=figure.unit, value=figure.value, samples=figure.samples)
            figures.setdefault(criterion, []).append(known)
    remembered = Remembered(
        run=gate.run,
        time=_ended(gate),
        name=gate.name,
        deployment=gate.deployment,
        build=gate.build,
        verdict=gate.verdict,
        figures={criterion: tuple(known) for criterion, known in figures.items()},
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{re.sub('[-:.]', '', remembered.time)}-{re.sub(r'[^0-9A-Za-z_.-]+', '_', gate.run)[:150]}.json"
    draft = path.with_name(f".{path.name}")
    draft.write_text(remembered.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def trends(folder: Path, gate: Gate) -> tuple[list[Trend], list[str]]:
    """How the gate's figures with a limit were in past runs of its deployment, the oldest first.

    Raises nothing, whatever the folder holds: unusable files are returned, one line for each of the first and a count.
    """
    past, useless = _read(folder, gate)
    past = [one for one in past if one.deployment == gate.deployment]
    found = []
    for criterion, figure in _limited(gate):
        known = [(one, value) for one in past if (value := one.value_of(criterion, figure)) is not None]
        if not known:
            continue
        points = [
            Past(run=one.run, name=one.name, time=one.time, build=one.build, value=value)
            for one, value in known[-TREND_POINTS:]
        ]
        alike = [value for one, value in known if one.name == gate.name]
        worse = "" if figure.missing or not isinstance(figure.value, float) else regression(figure, alike)
        found.append(
            Trend(criterion=criterion, figure=figure.name, unit=figure.unit, past=tuple(points), regression=worse)
        )
    more = [f"history: {len(useless) - LISTED} more files are of no use"] if len(useless) > LISTED else []
    return found, [*(f"history: {one}" for one in useless[:LISTED]), *more]


def regression(figure: Figure, past: Sequence[float]) -> str:
    """How a figure got worse, its last runs against those before; empty where it did not, or where too few are known.

    Args:
        figure: as it is now; its limit defines which direction is worse.
        past: its values in earlier runs of the same kind, the oldest first.
    """
    recent = [*past[len(past) - RECENT + 1 :], float(figure.value or 0)]
    before = past[: len(past) - RECENT + 1][-MOST_BEFORE:]
    if figure.must_be is None or len(before) < LEAST_BEFORE:
        return ""
    falls = figure.must_be in ("at least", "over")
    sign = -1 if falls else 1
    shift = median(sign * (one - other) for one in recent for other in before)
    if not shift > _margin(figure.unit, median(before), falls=falls):
        return ""
    probability = rank_test([sign * one for one in recent], [sign * one for one in before])
    if probability > ALPHA:
        return ""
    word = "lower" if falls else "slower" if figure.unit in ("s", "ms") else "higher"
    return (
        f"{word} than before: median {median(recent):.4g} {figure.unit} in the last {len(recent)} runs, "
        f"{median(before):.4g} {figure.unit} in the {len(before)} before (rank test p = {probability:.2g})"
    )


def rank_test(recent: Sequence[float], before: Sequence[float]) -> float:
    """The one-sided exact rank test (Mann-Whitney), where equal values share their rank.

    Returns:
        How probable it is, when nothing changed, that runs picked by chance rank as high as the recent ones.
    """
    together = sorted([*recent, *before])
    ranks = {value: bisect_left(together, value) + bisect_right(together, value) for value in together}
    seen = sum(ranks[value] for value in recent)
    picked = [sum(some) for some in combinations([ranks[value] for value in together], len(recent))]
    return sum(one >= seen for one in picked) / len(picked)


def _margin(unit: str, usual: float, *, falls: bool) -> float:
    """A shift that is not more than this is of no concern; of a share that should be high, what is missing counts."""
    base = 100 - usual if falls and unit == "%" else usual
    return max(MARGIN * abs(base), LEAST_SHIFT.get(unit, 0.0))


def _limited(gate: Gate) -> Iterator[tuple[str, Figure]]:
    """The figures of the deployment itself that have a limit."""
    for row in gate.criteria:
        if not row.proven_on:
            yield from ((row.id, figure) for figure in row.figures if figure.least_samples is not None)


def _ended(gate: Gate) -> str:
    return max((run.ended for run in gate.runs), default="")


def _members(run: str) -> set[str]:
    """The runs that were judged together under this name."""
    return set(run.split(" + "))


def _read(folder: Path, gate: Gate) -> tuple[list[Remembered], list[str]]:
    """What was remembered before the gate, the oldest first, and which files are of no use, and why."""
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [f"{_printable(folder.name)}: cannot be read: {error.strerror}"]
    useless = [f"{_printable(path.name)}: is no past gate" for path in paths if not _NAME.fullmatch(path.name)]
    seen: set[str] = set()
    found = []
    for path in [path for path in paths if _NAME.fullmatch(path.name)][-READ:]:
        remembered, wrong = _read_file(path)
        if remembered is not None:
            wrong = _unfit(remembered, gate, seen)
            seen |= _members(remembered.run)
        if remembered is None or wrong:
            useless.append(f"{_printable(path.name)}: {wrong}")
        else:
            found.append(remembered)
    return sorted(found, key=lambda one: (one.time, one.run)), useless


def _read_file(path: Path) -> tuple[Remembered | None, str]:
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None, "is no past gate"
        return Remembered.model_validate_json(path.read_bytes()), ""
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_input=False)
        first = next((one for one in mistakes if one["loc"] == ("format",)), mistakes[0])
        where = [_printable(str(part))[:40] for part in first["loc"][:1]]
        return None, ": ".join(["is no past gate", *where, first["msg"]])


def _unfit(remembered: Remembered, gate: Gate, seen: set[str]) -> str:
    if _members(remembered.run) & _members(gate.run):
        return "is of the run that is judged"
    if _members(remembered.run) & seen:
        return "is of a run that is there already"
    return "is later than the run that is judged" if remembered.time > _ended(gate) else ""


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)
