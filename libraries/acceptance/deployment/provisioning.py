"""Opening a deployment: a descriptor as it stands, or one that a provisioning command writes for this run."""

from __future__ import annotations

import difflib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from acceptance.deployment.contract import holds
from acceptance.deployment.descriptor import Descriptor, read_descriptor
from acceptance.deployment.trust import trusted
from acceptance.errors import ConfigurationError
from acceptance.yaml_models import PROJECT, Data, read_model, read_yaml

DEPLOYMENTS = PROJECT / "variables" / "deployments"
STOP_SECONDS = 15.0


class Defects(Data):
    """How a deployment that can be planted with defects is asked for them; `{defect}` stands for a name."""

    catalogue: list[Annotated[str, holds()]]
    plant: list[Annotated[str, holds("defect")]]
    active: list[Annotated[str, holds()]]


class Provision(Data):
    """A command that brings a deployment up, stays in the foreground, and ends it when it ends.

    `{writes}` in the command stands for the path of the descriptor that it writes when the deployment is ready.
    """

    command: list[Annotated[str, holds("writes")]] = Field(min_length=1)
    writes: str
    within_seconds: float = 60.0
    defects: Defects | None = None


class Stub(Data):
    """A descriptor that only says how to provision the deployment; its contract goes before the provisioned one's."""

    name: str
    provision: Provision
    contract: Path | None = None


@dataclass(frozen=True)
class OpenDeployment:
    """A deployment that is there; `path` is its descriptor's file.

    It is `provisioned` where it was brought up for the run, and its processes are the run's.
    """

    descriptor: Descriptor
    path: Path
    provisioned: bool = False


def find_descriptor(name: str) -> Path:
    """The file of a deployment: a path, or a name in `variables/deployments/`.

    Raises:
        ConfigurationError: there is none; names the ones that there are.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path.resolve()
        raise ConfigurationError(
            [
                f"DEPLOYMENT {name}: no such file; a sandbox removes its descriptor when it ends:"
                f" 'python -m sandbox up --detach --descriptor {name}' starts another"
            ]
        )
    named = DEPLOYMENTS / f"{name}.yaml"
    if named.is_file():
        return named
    known = sorted(entry.stem for entry in DEPLOYMENTS.glob("*.yaml"))
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    raise ConfigurationError(
        [f"DEPLOYMENT {name}: unknown; {hint}known are {', '.join(known)}, or give the path of a descriptor (.yaml)"]
    )


def is_provisioned(name: str) -> bool:
    """Whether a deployment is brought up for who opens it, and is gone afterwards with all that was made in it."""
    return "provision" in read_yaml(find_descriptor(name))


@contextmanager
def open_deployment(
    name: str, *, progress: Callable[[str], None] = lambda line: None, plant: str | None = None
) -> Iterator[OpenDeployment]:
    """The deployment of that name or path, provisioned where its descriptor says so, and ended afterwards.

    Args:
        name: a name in `variables/deployments/`, or the path of a descriptor.
        progress: called with each line that the provisioning command prints.
        plant: name of a defect to plant; needs `provision.defects`.

    Raises:
        ConfigurationError: the descriptor has mistakes, or the deployment could not be provisioned.
    """
    path = find_descriptor(name)
    if "provision" not in read_yaml(path):
        if plant is not None:
            raise ConfigurationError([f"{path}: has no provision.defects, so no defect can be planted"])
        with trusted(opened := read_descriptor(path)):
            yield OpenDeployment(opened, path)
        return
    stub = read_model(path, Stub)
    # No folder of ours: what the command wrote goes with it, also when we are killed.
    written = Path(tempfile.gettempdir()).resolve() / f"acceptance-{uuid.uuid4().hex}-{stub.provision.writes}"
    try:
        with _provisioned(stub, written, progress, plant):
            if stub.contract is not None and "contract" not in read_yaml(written):
                with written.open("a", encoding="utf-8") as file:
                    file.write(f"contract: {json.dumps(str((path.parent / stub.contract).resolve()))}\n")
            with trusted(opened := read_descriptor(written)):
                yield OpenDeployment(opened, written, provisioned=True)
    finally:
        written.unlink(missing_ok=True)


def command_of(words: Sequence[str], **values: str) -> list[str]:
    """A command of a descriptor, ready to run: `python` is this interpreter, braces are filled in."""
    filled = [word.format(**values) for word in words]
    return [sys.executable, *filled[1:]] if filled[0] == "python" else filled


@contextmanager
def _provisioned(stub: Stub, written: Path, progress: Callable[[str], None], plant: str | None) -> Iterator[None]:
    provision = stub.provision
    command = command_of(provision.command, writes=str(written))
    if plant is not None:
        if provision.defects is None:
            raise ConfigurationError([f"{stub.name}: has no provision.defects, so no defect can be planted"])
        command += command_of(provision.defects.plant, defect=plant)
    try:
        process = subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    except OSError as error:
        raise ConfigurationError(
            [f"{stub.name}: provisioning command {command[0]} cannot be started: {error.strerror}"]
        ) from None
    lines: deque[str] = deque(maxlen=20)
    reader = threading.Thread(target=_forward, args=(process, lines, progress), daemon=True)
    reader.start()
    try:
        _wait_for(stub, process, written, reader, lines)
        yield
    finally:
        _stop(process)
        reader.join(STOP_SECONDS)


def _forward(process: subprocess.Popen[str], lines: deque[str], progress: Callable[[str], None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.rstrip())
        progress(line.rstrip())


def _wait_for(
    stub: Stub, process: subprocess.Popen[str], written: Path, reader: threading.Thread, lines: deque[str]
) -> None:
    deadline = time.monotonic() + stub.provision.within_seconds
    while not written.exists():
        if process.poll() is not None:
            reader.join(STOP_SECONDS)
            reason = lines[-1] if lines else "it printed nothing"
            raise ConfigurationError([f"{stub.name}: could not be provisioned (status {process.returncode}): {reason}"])
        if time.monotonic() > deadline:
            last = lines[-1] if lines else "nothing"
            waited = f"not ready after {stub.provision.within_seconds:g} s; it last printed: {last}"
            advice = "on a busy machine, start it by itself: docs/troubleshooting.md"
            raise ConfigurationError([f"{stub.name}: {waited}; {advice}"])
        time.sleep(0.05)


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
