"""Reading evidence: every whole line of every writer, and everything that is wrong with it, by file and line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from acceptance.errors import ConfigurationError
from acceptance.evidence.recorder import FILES
from acceptance.evidence.records import (
    RECORD,
    Decision,
    Note,
    Observation,
    Opened,
    Outcome,
    Plan,
    Record,
    Scope,
    Series,
    Trend,
)
from acceptance.evidence.seal import Chain, Seal, digest_of, read_seal

EVIDENCE = "evidence"  # folder of a run's records
MERGED = "merged"  # folder of runs whose evidence was merged
NOTHING = "0" * 64
_INTERNED = 200  # characters
_NO_FIELDS: set[str] = set()
LISTED = 5  # mistakes of one file that are listed by line
_LISTS: dict[type, str] = {
    Scope: "scopes",
    Plan: "plans",
    Outcome: "outcomes",
    Observation: "observations",
    Series: "series",
    Trend: "trends",
    Decision: "decisions",
    Note: "notes",
}


@dataclass
class Bundle:
    """The evidence of one run.

    Args:
        run: its identifier.
        home: its folder, as seen from the folder that was read: empty, or `merged/<run>`.
        damage: everything that is wrong with it, by file and line; such evidence is invalid.
        digest: SHA-256 of the seal.
    """

    run: str
    home: str = ""
    scopes: list[Scope] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    trends: list[Trend] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    chains: dict[str, Chain] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)
    seal: Seal | None = None
    digest: str = ""
    versions_violated: set[str] = field(default_factory=set)

    @property
    def violated(self) -> set[str]:
        """What was violated when the run was sealed, in any version of it."""
        return self.versions_violated | set(self.seal.violated if self.seal else ())

    @property
    def scope(self) -> Scope | None:
        """What the run set out to judge, as recorded last."""
        return max(self.scopes, key=lambda scope: (scope.time, scope.number), default=None)

    def add(self, record: Record) -> None:
        """Put a record among those of its kind."""
        if type(record) in _LISTS:
            getattr(self, _LISTS[type(record)]).append(record)
        if isinstance(record, Observation) and record.artifact is not None:
            self.artifacts[record.artifact.path] = record.artifact.sha256


def read_run(folder: Path) -> list[Bundle]:
    """The evidence in a run's folder, and of runs that were merged into it, by run.

    Raises:
        ConfigurationError: there is no such folder, or no evidence in it.
    """
    if not folder.is_dir():
        raise ConfigurationError([f"{folder}: no such folder; give the folder of a run"])
    bundles = [bundle for home in homes(folder) for bundle in read_evidence(folder / home / EVIDENCE, home)]
    if not bundles:
        raise ConfigurationError([f"{folder}: holds no evidence ({EVIDENCE}/{FILES}); give the folder of a run"])
    return sorted(bundles, key=lambda bundle: bundle.run)


def recorded_artifacts(folder: Path) -> set[str]:
    """The files that belong to observations, as seen from the folder that was read."""
    found = set()
    for home in homes(folder):
        for path in (folder / home / EVIDENCE).glob(FILES):
            for line in path.read_bytes().splitlines():
                with suppress(ValidationError):  # no record belongs to what is none
                    record = RECORD.validate_json(line) if b'"artifact"' in line else None
                    if isinstance(record, Observation) and record.artifact is not None:
                        found.add((PurePosixPath(home) / record.artifact.path).as_posix())
    return found


def homes(folder: Path) -> list[str]:
    """Where in a run's folder evidence may be: in itself, and in the runs that were merged into it."""
    return ["", *(path.relative_to(folder).as_posix() for path in sorted(folder.glob(f"{MERGED}/*/")))]


def read_evidence(folder: Path, home: str = "") -> list[Bundle]:
    """What all writers left in a folder of records, by run; a line that is no whole record is in `damage`."""
    bundles: dict[str, Bundle] = {}
    lost: list[str] = []
    homeless: list[Record] = []
    try:
        names = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        names = []
    except OSError as error:
        names, lost = [], [f"{folder.name}: cannot be read: {error.strerror}"]
    for path in (folder / name for name in names if fnmatch(name, FILES)):
        run, chain, records, damage = _read_file(path)
        if run is None:
            lost += damage or [f"{path.name}: its first line, which names the run, is missing"]
            homeless += records
            continue
        bundle = bundles.setdefault(run, Bundle(run, home))
        for record in records:
            bundle.add(record)
        bundle.damage += damage
        bundle.chains[path.name] = chain
    sealed = {name.removeprefix("seal-").removesuffix(".json") for name in names if fnmatch(name, "seal-*.json")}
    for run in sealed | ({"unknown"} if lost and not bundles and not sealed else set()):
        bundles.setdefault(run, Bundle(run, home))  # its records are gone, or unreadable from the first line
    for record in homeless:
        min(bundles.values(), key=lambda bundle: bundle.run).add(record)
    for bundle in bundles.values():
        bundle.seal, bundle.digest, wrong = read_seal(folder, bundle.run)
        bundle.damage += [*lost, *([wrong] if wrong else []), *_against_seal(bundle), *_artifacts(bundle, folder)]
    return list(bundles.values())


def _read_file(path: Path) -> tuple[str | None, Chain, list[Record], list[str]]:
    run: str | None = None
    number, previous = 0, ""
    records: list[Record] = []
    wrong: list[str] = []
    writer = path.name.removeprefix("records-").removesuffix(".jsonl")
    if not path.is_file():
        return None, Chain(records=0, last=NOTHING), [], [f"{path.name}: is no regular file"]
    try:
        file = path.open("rb")
    except OSError as error:
        return None, Chain(records=0, last=NOTHING), [], [f"{path.name}: cannot be read: {error.strerror}"]
    with file:
        for number, content in enumerate(file, start=1):
            line = content.removesuffix(b"\n")
            if line == content:
                wrong.append(f"{path.name}:{number}: half a line")
                number -= 1
                break
            try:
                record = RECORD.validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"])
                wrong.append(f"{path.name}:{number}: not a record: {where + ': ' if where else ''}{first['msg']}")
            else:
                if (record.number, record.previous, record.writer) != (number, previous, writer):
                    wrong.append(f"{path.name}:{number}: {_broken(record, number, writer)}")
                if isinstance(record, Opened):
                    run = run or record.run
                else:
                    records.append(_slim(record))
            previous = sha256(line).hexdigest()
    more = [f"{path.name}: and {len(wrong) - LISTED} more such lines"] if len(wrong) > LISTED else []
    return run, Chain(records=number, last=previous or NOTHING), records, [*wrong[:LISTED], *more]


def _slim(record: Record) -> Record:
    """The record without what is not needed after its check: most of the memory of a hundred thousand."""
    content = record.__dict__
    content["previous"] = ""
    for name, value in content.items():
        if type(value) is str and len(value) < _INTERNED:
            content[name] = sys.intern(value)
    object.__setattr__(record, "__pydantic_fields_set__", _NO_FIELDS)
    return record


def _broken(record: Record, number: int, writer: str) -> str:
    if record.writer != writer:
        return f"is a record of the writer '{record.writer}'"
    if record.number != number:
        return f"is record {record.number}, expected {number}: lines are missing, doubled or out of order"
    return "does not follow from the line before: one of them was altered"


def _against_seal(bundle: Bundle) -> Iterator[str]:
    if bundle.seal is None:
        return
    if bundle.seal.run != bundle.run:
        yield f"the seal is of the run {bundle.seal.run}"
    for name, chain in bundle.seal.chains.items():
        found = bundle.chains.get(name)
        if found is None:
            yield f"{name}: is not there; it was sealed with {chain.records} records"
        elif found.records != chain.records:
            yield f"{name}: holds {found.records} records; it was sealed with {chain.records}"
        elif found.last != chain.last:
            yield f"{name}:{found.records}: is not the record that was sealed as the last"
    yield from (f"{name}: is not in the seal" for name in sorted(bundle.chains.keys() - bundle.seal.chains.keys()))


def _artifacts(bundle: Bundle, folder: Path) -> Iterator[str]:
    known = bundle.artifacts | (bundle.seal.artifacts if bundle.seal else {})
    for path, expected in sorted(known.items()):
        seen = digest_of(folder.parent / path)
        if seen != expected:
            yield f"{path}: {'is not what was recorded (SHA-256 differs)' if seen else 'is not there'}"


def without_copies(bundles: Iterable[Bundle]) -> list[Bundle]:
    """Each run once, where several folders hold the same; where they differ, the run is damaged."""
    runs: dict[str, Bundle] = {}
    for bundle in sorted(bundles, key=_weight, reverse=True):
        kept = runs.setdefault(bundle.run, bundle)
        if (kept.chains, kept.digest, kept.damage) != (bundle.chains, bundle.digest, bundle.damage):
            wrong = f"there are two different versions of the run {bundle.run}"
            kept.damage += [] if wrong in kept.damage else [wrong]
            kept.outcomes += bundle.outcomes  # violations in either still count
            kept.observations += bundle.observations
            kept.versions_violated |= bundle.violated
    return sorted(runs.values(), key=lambda bundle: bundle.run)


def _weight(bundle: Bundle) -> tuple[int, int, str, str]:
    """Of two versions, the one with more records; what comes after only makes the order the same each time."""
    return (sum(chain.records for chain in bundle.chains.values()), -len(bundle.damage), bundle.digest, bundle.home)
