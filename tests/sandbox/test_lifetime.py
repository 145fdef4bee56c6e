"""No process, port, file or shared memory of the sandbox outlives its owner, whatever is killed at any moment."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import yaml

from tests.sandbox.place import Place, segments, until


def addresses(descriptor: str) -> set[tuple[str, int]]:
    services = yaml.safe_load(Path(descriptor).read_text())["services"]
    urls = [urlsplit(service["url"]) for service in services.values() if "url" in service]
    return {(url.hostname or "", url.port or 0) for url in urls} | {("127.0.0.1", services["database"]["port"])}


def refuses(address: tuple[str, int]) -> bool:
    with socket.socket() as client:
        return client.connect_ex(address) != 0


def end(place: Place, pid: int, number: signal.Signals, report: dict[str, Any]) -> None:
    """Send the signal, and check that nothing is left."""
    known, listening = place.processes(), addresses(report["descriptor"])
    os.kill(pid, number)
    until(place.is_empty, f"everything is gone: {place.processes()} {list(place.folder.iterdir())}")
    assert all(map(refuses, listening))
    assert not segments() & known
    assert not list(Path("/dev/shm").glob(f"*{place.folder.name}*"))


@pytest.mark.parametrize("victim", ["owner", "reaper", "supervisor"])
def test_nothing_is_left_when_one_is_killed(place: Place, victim: str) -> None:
    owner = place.start()
    report = place.report()
    end(place, owner.pid if victim == "owner" else report[victim], signal.SIGKILL, report)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(place: Place, number: signal.Signals) -> None:
    owner = place.start()
    report = place.report()
    end(place, report["reaper"], number, report)
    output, _ = owner.communicate()
    assert owner.returncode == 0
    assert "descriptor" in output.splitlines()[-1]


@pytest.mark.parametrize("victim", ["reaper", "supervisor"])
@pytest.mark.parametrize("seconds", [0.3, 0.6, 0.9, 1.2, 1.6])
def test_nothing_is_left_when_one_is_killed_while_it_starts(place: Place, victim: str, seconds: float) -> None:
    owner = place.start()
    reaper = until(lambda: children(owner.pid), "the reaper")[0]
    supervisor = until(lambda: children(reaper), "the supervisor")[0]
    time.sleep(seconds)
    known = place.processes()
    os.kill(reaper if victim == "reaper" else supervisor, signal.SIGKILL)
    until(place.is_empty, "everything is gone")
    assert not segments() & known


def test_each_service_is_started_again_when_it_dies(place: Place) -> None:
    owner = place.start()
    report = place.report()
    api = yaml.safe_load(Path(report["descriptor"]).read_text())["services"]["api"]["url"]
    for name, service in report["services"].items():
        os.kill(service["pid"], signal.SIGKILL)
        until(partial(started_again, place, name), f"{name} is started again")
        until(lambda: healthy(api), f"health after the death of {name}", seconds=90)
    end(place, report["reaper"], signal.SIGTERM, report)
    output, _ = owner.communicate()
    for name in report["services"]:
        assert f"sandbox: {name} was killed by SIGKILL; started again" in output


def test_every_service_has_a_lower_priority(place: Place) -> None:
    place.start()
    pids = [service["pid"] for service in place.report()["services"].values()]
    assert {os.getpriority(os.PRIO_PROCESS, pid) - os.getpriority(os.PRIO_PROCESS, 0) for pid in pids} == {5}
    sessions = [file for pid in pids if (file := Path(f"/proc/{pid}/autogroup")).exists()]
    assert all(file.read_text().endswith("nice 5\n") for file in sessions)


def test_a_busy_backend_does_not_outlive_its_server(place: Place) -> None:
    place.start()
    report = place.report()
    api = yaml.safe_load(Path(report["descriptor"]).read_text())["services"]["api"]["url"]
    with busy_backend(report["descriptor"]):
        os.kill(report["services"]["database"]["pid"], signal.SIGKILL)
        until(partial(started_again, place, "database"), "the server is started again")
    until(lambda: healthy(api), "the database takes connections again")
    with busy_backend(report["descriptor"]):
        end(place, report["supervisor"], signal.SIGKILL, report)


def test_detached_it_has_no_owner_and_ends_on_request(place: Place) -> None:
    started = place.command("up", "--detach")
    assert started.returncode == 0
    assert "descriptor" in started.stdout.splitlines()[-1]
    report = place.report()
    assert report["detached"]
    assert place.command("down").returncode == 0
    assert place.is_empty()


def test_one_of_several_detached_ones_is_ended_by_its_descriptor(place: Place) -> None:
    one, other = place.folder / "one.yaml", place.folder / "other.yaml"
    for descriptor in (one, other):
        assert place.command("up", "--detach", "--descriptor", str(descriptor)).returncode == 0
    assert place.command("down", "--descriptor", str(one)).returncode == 0
    assert [report["descriptor"] for report in place.reports()] == [str(other)]
    assert not one.exists()
    refused = place.command("down", "--descriptor", str(one))
    assert (refused.returncode, refused.stderr) == (
        3, f"sandbox: no detached sandbox with the descriptor {one} runs; `status` lists those that do\n",
    )  # fmt: skip
    assert place.command("down").returncode == 0
    assert place.is_empty()


def test_what_a_dead_sandbox_has_left_is_removed_by_the_next_command(place: Place) -> None:
    place.start()
    report = place.report()
    for name in ("reaper", "supervisor"):
        os.kill(report[name], signal.SIGSTOP)
    for name in ("supervisor", "reaper"):
        os.kill(report[name], signal.SIGKILL)
    until(lambda: not place.processes(), "every process has ended")
    assert Path(report["directory"]).exists()
    assert place.reports() == []
    assert place.is_empty()


@contextmanager
def busy_backend(descriptor: str) -> Iterator[None]:
    """A backend that computes and so does not notice the death of its server."""
    work = "import sys, psycopg; psycopg.connect(sys.argv[1]).execute('select count(*) from generate_series(1, 1e12)')"
    client = subprocess.Popen([sys.executable, "-c", work, database(descriptor)], stderr=subprocess.DEVNULL)
    with psycopg.connect(database(descriptor), autocommit=True) as connection:
        query = (
            "select from pg_stat_activity where state = 'active' and query like '%1e12%' and pid <> pg_backend_pid()"
        )
        until(lambda: connection.execute(query).rowcount, "the backend is busy")
    yield
    client.kill()
    client.wait()


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def started_again(place: Place, service: str) -> bool:
    return bool(place.report()["services"][service]["starts"] == 2)


def healthy(api: str) -> bool:
    try:
        return bool(httpx.get(f"{api}/health", trust_env=False).json()["status"] == "healthy")
    except httpx.HTTPError:
        return False


def database(descriptor: str) -> str:
    entry = yaml.safe_load(Path(descriptor).read_text())["services"]["database"]
    secrets = dict(line.split("=", 1) for line in Path(descriptor).with_suffix(".env").read_text().splitlines())
    password = secrets["SANDBOX_DATABASE_PASSWORD"]
    return f"postgresql://{entry['user']}:{password}@{entry['host']}:{entry['port']}/{entry['name']}"
