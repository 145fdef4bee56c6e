"""Runs Artillery as a child process in a group of its own, and ends it in every case."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from ArtilleryLibrary.errors import EnvironmentUnavailable, NotWritten
from ArtilleryLibrary.figures import LOG, LoadResult, read_result
from ArtilleryLibrary.node import Installation, clean_environment, installation, secrets_of
from ArtilleryLibrary.plan import PLAN, Ending, LoadPlan
from ArtilleryLibrary.process_group import own_group, signal_group
from ArtilleryLibrary.progress import EarlyStop, Progress, Watcher, progress_of
from ArtilleryLibrary.requestlog import LogReader, RequestLog, read_log
from ArtilleryLibrary.script import LoadScript

OUTPUT = "artillery.log"
HERE = Path(__file__).parent
TYPESCRIPT = (".ts", ".mts", ".cts")
SAMPLE_SECONDS = 1.0  # between two reads of the request log
ENDS_WITHIN = 3.0  # seconds between SIGTERM and SIGKILL


async def run_load(
    script: LoadScript,
    folder: Path,
    *,
    progress: Callable[[Progress], None] | None = None,
    early_stop: EarlyStop | None = None,
    stop: Callable[[RequestLog], str | None] | None = None,
    margin: float = 60.0,
) -> LoadResult:
    """Apply a load; returns its result.

    An interruption (cancellation, a signal, the end of this process) ends Artillery and its children;
    `read_result(folder)` then returns the partial result.

    Args:
        script: the load.
        folder: for request log, plan and Artillery's output; created if missing.
        progress: called each second.
        early_stop: abort thresholds; none: never stop early.
        stop: called each second with the request log so far; returns a reason to stop, or none.
        margin: seconds beyond the phases, for start and last responses, before the load is ended.

    Raises:
        EnvironmentUnavailable: Node or Artillery is missing, too old, or did not begin the load; or, as NotWritten,
            the measurements cannot be written.
    """
    with _writing(folder):
        (folder / PLAN).unlink(missing_ok=True)  # an earlier load's
    installed = await asyncio.to_thread(installation)
    plan = _plan(script, installed)
    _begin(folder, plan)
    # Artillery's output may hold secrets: an unnamed file disappears with this process.
    with _unnamed_file() as output:
        try:
            status, stopped = await _run(script, folder, output, installed, Watcher(progress, early_stop, stop, margin))
        except BaseException as error:
            why = f": {error}" if isinstance(error, Exception) else ""
            _keep(folder, plan.model_copy(update={"reason": f"the load was interrupted{why}"}))
            raise
        finally:
            text = _redacted(output, script.environment)
            with _writing(folder / OUTPUT):
                (folder / OUTPUT).write_text(text, encoding="utf-8")
    if stopped is not None:
        ending, reason = stopped
    elif status == 0:
        ending, reason = Ending.COMPLETE, "the whole load was applied"
    else:
        fatal = read_log(folder / LOG).fatal
        known = fatal[0] if fatal else f"Artillery ended with status {status}: {_first_error(text)}"
        ending, reason = Ending.FAILED, known
    _keep(folder, plan.model_copy(update={"ending": ending, "reason": reason}))
    result = read_result(folder)
    if ending is Ending.FAILED and not result.log.users:
        raise EnvironmentUnavailable(f"the load did not begin; {reason}; see {folder / OUTPUT}")
    return result


def command(script: Path, installed: Installation, *, typescript: bool = False) -> list[str]:
    """The command that runs a script on this machine.

    Args:
        script: the working copy.
        installed: Node and Artillery.
        typescript: the processor is TypeScript: of itself Node strips its types, and refuses what is more, as enums.
    """
    options = ["--require", str(HERE / "one-cpu.cjs")]
    if typescript:
        options += ["--experimental-transform-types", "--disable-warning=ExperimentalWarning"]
    return [str(installed.node), *options, str(installed.launcher), "run", "--quiet", str(script)]


async def _run(
    script: LoadScript, folder: Path, output: IO[bytes], installed: Installation, watcher: Watcher
) -> tuple[int, tuple[Ending, str] | None]:
    """Run Artillery; returns its exit status, and ending and reason if it was stopped."""
    environment = clean_environment(script.target, script.environment) | _hook_variables(script, folder, installed)
    with _writing(folder):
        copy = script.written(folder).resolve()
    try:
        process = await asyncio.create_subprocess_exec(
            *command(
                copy, installed, typescript=script.processor is not None and script.processor.suffix in TYPESCRIPT
            ),
            cwd=script.path.parent,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            **own_group(signal.SIGKILL),
        )
    except OSError as error:
        copy.unlink(missing_ok=True)
        raise EnvironmentUnavailable(f"Artillery could not be started: {error.strerror or error}") from None
    ended = asyncio.ensure_future(process.wait())
    try:
        stopped = await _watch(script, folder, ended, watcher)
        if stopped is not None:
            signal_group(process.pid, signal.SIGTERM)
            await asyncio.wait([ended], timeout=ENDS_WITHIN)
    finally:
        signal_group(process.pid, signal.SIGKILL)
        copy.unlink(missing_ok=True)
        await asyncio.shield(process.wait())  # `ended` may be cancelled with the rest of the loop
    return process.returncode or 0, stopped


def _unnamed_file() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise EnvironmentUnavailable(f"no temporary file for Artillery's output: {error.strerror or error}") from None


async def _watch(
    script: LoadScript, folder: Path, ended: asyncio.Future[int], watcher: Watcher
) -> tuple[Ending, str] | None:
    """Wait for the end; returns none, or ending and reason to stop the load."""
    reader, begin = LogReader(folder / LOG), time.monotonic()
    while True:
        done, _ = await asyncio.wait([ended], timeout=SAMPLE_SECONDS)
        if done:
            return None
        log = reader.read()
        if reason := watcher.reason(progress_of(script, log), log):
            return Ending.STOPPED_EARLY, reason
        if time.monotonic() - begin > script.duration + watcher.margin:
            return Ending.DEADLINE, f"not finished {watcher.margin:g} s after the phases' {script.duration} s"


def _hook_variables(script: LoadScript, folder: Path, installed: Installation) -> dict[str, str]:
    return {
        "CUSTOM_REPORTERS": str(HERE / "reporter.cjs"),
        "REQUEST_LOG": str((folder / LOG).resolve()),
        "REQUEST_LOG_EXPECTATIONS": str(installed.expectations),
        "REQUEST_LOG_FOLDER": str(script.path.parent),
        "REQUEST_LOG_FUNCTIONS": json.dumps(dict(script.functions)),
        "REQUEST_LOG_PROCESSOR": str(script.processor or ""),
        "REQUEST_LOG_SCRIPT": str(script.path),
        "REQUEST_LOG_SECRETS": ",".join(script.environment),  # names: values may be long
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
    """Replace the plan atomically."""
    new = folder / f"{PLAN}.new"
    with _writing(folder / PLAN):
        new.write_text(plan.model_dump_json(indent=1), encoding="utf-8")
        new.replace(folder / PLAN)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """A failed write is an error of the test environment, not of the target."""
    try:
        yield
    except OSError as error:
        raise NotWritten(error.errno, f"the load cannot be recorded: {error.strerror}", str(path)) from None


def _redacted(output: IO[bytes], environment: Mapping[str, str]) -> str:
    output.seek(0)
    text = output.read().decode("utf-8", errors="replace")
    for secret in secrets_of(environment):
        text = text.replace(secret, "***")
    return text


def _first_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "rror" in line or "cannot" in line]
    return (errors or lines or ["no output"])[0][:300]
