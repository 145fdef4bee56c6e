"""A temporary folder for each test that starts sandboxes; every process in it must end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.place import Place, until


@pytest.fixture
def place() -> Iterator[Place]:
    """A folder that every user may enter, since PostgreSQL runs as `nobody` when the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="place-")).resolve()
    folder.chmod(0o755)
    found = Place(folder)
    yield found
    for owner in found.owners:
        owner.kill()
        owner.wait()
    until(lambda: not found.processes(), "every process has ended")
    shutil.rmtree(folder)
