"""Artillery as a process: in a group of its own, watched while it runs, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from acceptance.errors import EnvironmentUnavailable, NotWritten

from ArtilleryLibrary.figures import LOG, LoadResult, read_result
from ArtilleryLibrary.node import Installation, clean_environment, installation, secrets_of
from ArtilleryLibrary.plan import PLAN, Ending, LoadPlan
from ArtilleryLibrary.progress import EarlyStop, Progress, Watcher, progress_of
from ArtilleryLibrary.requestlog import LogReader, RequestLog
from ArtilleryLibrary.script import LoadScript

OUTPUT = "artillery.log"
HERE = Path(__file__).parent
LOOKED_AT = 1.0  # seconds between two looks at the request log
ENDS_WITHIN = 3.0  # seconds that Artillery is given after SIGTERM
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


async def run_load(
    script: LoadScript,
    folder: Path,
    *,
    progress: Callable[[Progress], None] | None = None,
    early_stop: EarlyStop | None = None,
    stop: Callable[[RequestLog], str | None] | None = None,
    margin: float = 60.0,
) -> LoadResult:
    """Applies a load, and gives what was measured.

    Whatever interrupts it (cancellation, a signal, the end of this process) ends Artillery with all that it started;
    `read_result(folder)` then gives the part that was measured.

    Args:
        script: what to apply.
        folder: where request log, plan and Artillery's output are left; made if it is missing.
        progress: told each second where the load is.
        early_stop: when to stop before the end; none: never.
        stop: the same, judged from all that was logged so far: says each second why to stop, if so.
        margin: seconds beyond the phases, for start and last answers, until it is ended.

    Raises:
        EnvironmentUnavailable: Node or Artillery is missing, too old, or did not begin the load; or, as NotWritten,
            there is no room for what it measures.
    """
    with _writing(folder):
        (folder / PLAN).unlink(missing_ok=True)  # an earlier load's: it must not be taken for this one
    installed = await asyncio.to_thread(installation)
    plan = _plan(script, installed)
    _begin(folder, plan)
    # What Artillery says may hold secrets: kept in a file without a name, it is gone with us when we are killed.
    with _nameless() as output:
        try:
            status, stopped = await _run(script, folder, output, installed, Watcher(progress, early_stop, stop, margin))
        except BaseException as error:
            why = f": {error}" if isinstance(error, Exception) else ""
            _keep(folder, plan.model_copy(update={"reason": f"the load was interrupted{why}"}))
            raise
        finally:
            told = _redacted(output, script.environment)
            with _writing(folder / OUTPUT):
                (folder / OUTPUT).write_text(told, encoding="utf-8")
    if stopped is not None:
        ending, reason = stopped
    elif status == 0:
        ending, reason = Ending.COMPLETE, "the whole load was applied"
    else:
        ending, reason = Ending.FAILED, f"Artillery ended with status {status}: {_last_error(told)}"
    _keep(folder, plan.model_copy(update={"ending": ending, "reason": reason}))
    result = read_result(folder)
    if ending is Ending.FAILED and not result.log.users:
        raise EnvironmentUnavailable(f"the load did not begin; {reason}; see {folder / OUTPUT}")
    return result


def command(script: Path, installed: Installation) -> list[str]:
    """What is run for a script on this machine."""
    shim = ["--require", str(HERE / "one-cpu.cjs")]
    return [str(installed.node), *shim, str(installed.launcher), "run", "--quiet", str(script)]


async def _run(
    script: LoadScript,
    folder: Path,
    output: IO[bytes],
    installed: Installation,
    watcher: Watcher,
) -> tuple[int, tuple[Ending, str] | None]:
    """Artillery's exit status, and how it was ended if it did not end by itself."""
    environment = clean_environment(script.target, script.environment) | _told_to_hooks(script, folder, installed)
    with _writing(folder):
        copy = script.written(folder).resolve()
    try:
        process = await asyncio.create_subprocess_exec(
            *command(copy, installed),
            cwd=script.path.parent,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
    except OSError as error:
        copy.unlink(missing_ok=True)
        raise EnvironmentUnavailable(f"Artillery could not be started: {error.strerror or error}") from None
    ended = asyncio.ensure_future(process.wait())
    try:
        stopped = await _watch(script, folder, ended, watcher)
        if stopped is not None:
            _signal_group(process.pid, signal.SIGTERM)
            await asyncio.wait([ended], timeout=ENDS_WITHIN)
    finally:
        _signal_group(process.pid, signal.SIGKILL)
        copy.unlink(missing_ok=True)
        await asyncio.shield(ended)
    return process.returncode or 0, stopped


def _nameless() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise EnvironmentUnavailable(f"no temporary file for what Artillery says: {error.strerror or error}") from None


async def _watch(
    script: LoadScript,
    folder: Path,
    ended: Awaitable[int],
    watcher: Watcher,
) -> tuple[Ending, str] | None:
    """Waits for the end, or gives the reason to end it."""
    reader, begin = LogReader(folder / LOG), time.monotonic()
    while True:
        done, _ = await asyncio.wait([asyncio.ensure_future(ended)], timeout=LOOKED_AT)
        if done:
            return None
        log = reader.read()
        if reason := watcher.reason(progress_of(script, log), log):
            return Ending.STOPPED_EARLY, reason
        if time.monotonic() - begin > script.duration + watcher.margin:
            return Ending.DEADLINE, f"not finished {watcher.margin:g} s after the phases' {script.duration} s"


def _told_to_hooks(script: LoadScript, folder: Path, installed: Installation) -> dict[str, str]:
    return {
        "CUSTOM_REPORTERS": str(HERE / "reporter.cjs"),
        "REQUEST_LOG": str((folder / LOG).resolve()),
        "REQUEST_LOG_EXPECTATIONS": str(installed.expectations),
        "REQUEST_LOG_FOLDER": str(script.path.parent),
        "REQUEST_LOG_FUNCTIONS": json.dumps(script.functions),
        "REQUEST_LOG_PROCESSOR": str(script.processor or ""),
        "REQUEST_LOG_SCRIPT": str(script.path),
        "REQUEST_LOG_SECRETS": ",".join(script.environment),  # names: values of many users may be long
    }


def _plan(script: LoadScript, installed: Installation) -> LoadPlan:
    return LoadPlan(
        script=script.path.name,
        target=script.target,
        phases=script.phases,
        scenarios=script.scenarios,
        corrections=script.corrections,
        node=installed.node_version,
        artillery=installed.artillery_version,
    )


def _begin(folder: Path, plan: LoadPlan) -> None:
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (LOG, OUTPUT):
            (folder / name).write_bytes(b"")
    _keep(folder, plan)


def _keep(folder: Path, plan: LoadPlan) -> None:
    """Replaces the plan in one step, so that none is ever half."""
    new = folder / f"{PLAN}.new"
    with _writing(folder / PLAN):
        new.write_text(plan.model_dump_json(indent=1), encoding="utf-8")
        new.replace(folder / PLAN)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What cannot be written is our own matter, and never the target's."""
    try:
        yield
    except OSError as error:
        raise NotWritten(error.errno, f"the load cannot be recorded: {error.strerror}", str(path)) from None


def _redacted(output: IO[bytes], environment: Mapping[str, str]) -> str:
    output.seek(0)
    told = output.read().decode("utf-8", errors="replace")
    for secret in secrets_of(environment):
        told = told.replace(secret, "***")
    return told


def _last_error(told: str) -> str:
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    errors = [line for line in lines if "rror" in line or "cannot" in line]
    return (errors or lines or ["it said nothing"])[0][:300]


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _end_with_parent() -> None:
    """A load without anybody who watches it must not go on."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
