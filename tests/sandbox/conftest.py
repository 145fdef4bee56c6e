"""A temporary folder for each test that starts sandboxes; every process in it must end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from tests.sandbox.made import signed_up
from tests.sandbox.place import Place, until


@pytest.fixture
def place() -> Iterator[Place]:
    with placed() as found:
        yield found


@pytest.fixture(scope="module")
def descriptor() -> Iterator[Path]:
    """The descriptor of a running sandbox."""
    with placed() as found:
        found.start()
        yield Path(found.report()["descriptor"])


@pytest.fixture(scope="module")
def api(descriptor: Path) -> Iterator[httpx.Client]:
    """The API of a running sandbox, as a signed-in user calls it."""
    url = yaml.safe_load(descriptor.read_text())["services"]["api"]["url"]
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        client.headers["authorization"] = f"Bearer {signed_up(client, 'ada@example.com')}"
        yield client


@contextmanager
def placed() -> Iterator[Place]:
    """A folder that every user may enter, since PostgreSQL runs as `nobody` when the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="place-")).resolve()
    folder.chmod(0o755)
    found = Place(folder)
    try:
        yield found
    finally:  # a fixture that fails is not resumed: what it has started would stay
        for owner in found.owners:
            owner.kill()
            owner.wait()
        until(lambda: not found.processes(), "every process has ended")
        shutil.rmtree(folder)
