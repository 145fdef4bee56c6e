"""What can be done to a run's folder afterwards, by accident or on purpose: the hands of the harness mutants.

Each function returns what must be said of it where it is noticed, or nothing where that is not known beforehand.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from acceptance.deployment.descriptor import Threshold
from acceptance.evidence.reader import EVIDENCE, MERGED, Bundle, read_run
from acceptance.evidence.recorder import FILES, Recorder
from acceptance.evidence.records import RECORD, Observation, Opened, Outcome, Record, Scope
from acceptance.evidence.seal import NAME, Seal
from acceptance.redaction.redactor import Redactor

SUITES = "robot"  # the writer of what the suites record
ANOTHER = "another"
FAILED = "PRE-01"
DROPPED = "PRE-03"
YEAR = timedelta(days=365)


def fail_honestly(folder: Path) -> None:
    """The folder as if the run had seen a test fail, and had been sealed with that."""

    def failed(record: Record) -> Record:
        if isinstance(record, Outcome) and FAILED in record.criteria and record.writer.startswith(SUITES):
            return record.model_copy(update={"status": "FAIL", "cause": "product", "message": "expected b, observed c"})
        return record

    _forge(folder, failed, violated=(FAILED,))


def turn_into_pass(folder: Path) -> str:
    """FAIL is replaced by PASS in a record."""
    return _altered(folder, rb'"kind":"test".*"status":"FAIL"', lambda line: line.replace(b'"FAIL"', b'"PASS"'))


def turn_into_pass_and_chain(folder: Path) -> str:
    """FAIL is replaced by PASS in a record, and the chain is made anew; the seal stays."""
    turn_into_pass(folder)
    path, lines = _records(folder)
    _write(path, [RECORD.validate_json(line) for line in lines])
    return f"{path.name}:{len(lines)}:"


def change_figure(folder: Path) -> str:
    """A figure is made a thousandth."""
    return _altered(folder, rb'"slowest_probe"', lambda line: re.sub(rb'"value":[^,]+', b'"value":0.001', line))


def cut_line(folder: Path) -> str:
    """Half of the last record is gone."""
    path, lines = _records(folder)
    path.write_bytes(b"".join(lines)[: -len(lines[-1]) // 2])
    return f"{path.name}:{len(lines)}:"


def cut_last_lines(folder: Path) -> str:
    """The last two records are gone, without a trace in what is left."""
    path, lines = _records(folder)
    path.write_bytes(b"".join(lines[:-2]))
    return f"{path.name}: holds {len(lines) - 2} records"


def reorder(folder: Path) -> str:
    """Second and third record change places."""
    path, lines = _records(folder)
    path.write_bytes(b"".join([lines[0], lines[2], lines[1], *lines[3:]]))
    return f"{path.name}:2:"


def add_records(folder: Path) -> str:
    """A test that passed is added, by a writer of its own, after the run was sealed."""
    recorder = Recorder(folder / EVIDENCE, _run(folder).run, Redactor(), SUITES)
    recorder.test(name="one more", status="PASS", criteria=[FAILED])
    recorder.close()
    return FILES.replace("*", recorder.writer)


def age(folder: Path) -> str:
    """All times are of a year ago; chains and seal are made anew."""
    _forge(folder, lambda record: record.model_copy(update={"time": _earlier(record.time, YEAR)}))
    return f"the run {_run(folder).run} is of "


def observe_another_build(folder: Path) -> str:
    """All observations are of another build; chains and seal are made anew."""

    def foreign(record: Record) -> Record:
        return record.model_copy(update={"build": ANOTHER}) if isinstance(record, Observation) else record

    _forge(folder, foreign)
    return f"(build {ANOTHER})"


def mix_in_another_run(folder: Path) -> str:
    """A file of records of another run is copied in."""
    path, lines = _records(folder)
    writer = f"{SUITES}-{ANOTHER}"
    records = [RECORD.validate_json(line).model_copy(update={"writer": writer}) for line in lines]
    foreign = [one.model_copy(update={"run": ANOTHER}) if isinstance(one, Opened) else one for one in records]
    _write(path.with_name(FILES.replace("*", writer)), foreign)
    return f"the run {ANOTHER} "


def merge_another_build(folder: Path) -> str:
    """A run of another build, an hour older, sealed, lies where merged runs lie."""
    hour = timedelta(hours=1)

    def foreign(record: Record) -> Record:
        changes = {"time": _earlier(record.time, hour)}
        if isinstance(record, Opened):
            changes["run"] = ANOTHER
        elif isinstance(record, Scope | Observation):
            changes["build"] = ANOTHER
        return record.model_copy(update=changes)

    home = folder / MERGED / ANOTHER
    shutil.copytree(folder / EVIDENCE, home / EVIDENCE)
    remove_seal(home)
    _forge(home, foreign)
    return f"{ANOTHER}: of build {ANOTHER}"


def remove_seal(folder: Path) -> str:
    """The seal is deleted."""
    run = _run(folder).run
    (folder / EVIDENCE / NAME.format(run=run)).unlink()
    return f"the run {run} "


def claim_less(folder: Path) -> str:
    """One claim is gone; chains and seal are made anew."""
    claims = _disclaim(folder, DROPPED)
    return f": {claims} of "


def disclaim_violated(folder: Path) -> str:
    """The claim of what was violated is gone; chains and seal are made anew, and the seal tells of no violation."""
    _disclaim(folder, FAILED)
    return ""


def loosen(folder: Path) -> str:
    """A threshold is six times as high; chains and seal are made anew."""
    reason = "the line is slow this week"
    thresholds = {FAILED: Threshold(value=60, reason=reason)}

    def loosened(record: Record) -> Record:
        return record.model_copy(update={"thresholds": thresholds}) if isinstance(record, Scope) else record

    _forge(folder, loosened)
    return reason


def pass_off_short_load(folder: Path) -> str:
    """Figures of a short load have the criteria's own names; chains and seal are made anew."""

    def renamed(record: Record) -> Record:
        if not isinstance(record, Observation):
            return record
        return record.model_copy(update={"name": record.name.removesuffix("_of_a_short_load")})

    _forge(folder, renamed)
    return ""


def edit(path: Path, old: str, new: str) -> str:
    """The first `old` in a file is replaced by `new`."""
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return f"{path.name}:{text.partition(old)[0].count(chr(10)) + 1}:"


def _altered(folder: Path, pattern: bytes, change: Callable[[bytes], bytes]) -> str:
    path, lines = _records(folder)
    at = next(number for number, line in enumerate(lines) if re.search(pattern, line))
    lines[at] = change(lines[at])
    path.write_bytes(b"".join(lines))
    return f"{path.name}:{at + 2}:"  # the line after it tells


def _disclaim(folder: Path, criterion: str) -> int:
    def less(record: Record) -> Record:
        if not isinstance(record, Scope):
            return record
        return record.model_copy(update={"claims": tuple(one for one in record.claims if one != criterion)})

    _forge(folder, less)
    scope = _run(folder).scope
    return len(scope.claims) if scope else 0


def _run(folder: Path) -> Bundle:
    return read_run(folder)[0]


def _records(folder: Path) -> tuple[Path, list[bytes]]:
    """What the suites recorded."""
    path = next((folder / EVIDENCE).glob(FILES.replace("*", f"{SUITES}-*")))
    return path, path.read_bytes().splitlines(keepends=True)


def _earlier(time: str, by: timedelta) -> str:
    return f"{datetime.fromisoformat(time) - by:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def _forge(folder: Path, change: Callable[[Record], Record], *, violated: tuple[str, ...] = ()) -> None:
    """Change every record, and make chains and seal anew, as someone does who knows the format."""
    times = []
    for path in (folder / EVIDENCE).glob(FILES):
        records = [change(RECORD.validate_json(line)) for line in path.read_bytes().splitlines()]
        times += [record.time for record in records]
        _write(path, records)
    forged = _run(folder)
    seal = Seal(run=forged.run, time=max(times), chains=forged.chains, artifacts=forged.artifacts, violated=violated)
    (folder / EVIDENCE / NAME.format(run=forged.run)).write_text(seal.model_dump_json(indent=1), encoding="utf-8")


def _write(path: Path, records: list[Record]) -> None:
    previous = ""
    lines = []
    for record in records:
        line = record.model_copy(update={"previous": previous}).model_dump_json(exclude_none=True).encode()
        previous = sha256(line).hexdigest()
        lines.append(line + b"\n")
    path.write_bytes(b"".join(lines))
