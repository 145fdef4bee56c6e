"""The descriptor is complete, holds no secret, and is written atomically."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from sandbox import defects, descriptor, state
from sandbox.errors import StartError, in_a_line
from sandbox.settings import Settings, reserve
from tests.sandbox import made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return made.settings(tmp_path, build="abc123")


def test_secrets_are_beside_the_descriptor_and_only_there(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "deployment.yaml"
    descriptor.write(settings, path)
    written, secrets_file = path.read_text(), path.with_suffix(".env")
    secrets = dict(line.split("=", 1) for line in secrets_file.read_text().splitlines())
    assert set(secrets) == set(yaml.safe_load(written)["secrets"].values())
    assert secrets["SANDBOX_DATABASE_PASSWORD"] == settings.inspector_password
    assert not any(value in written for value in secrets.values())
    assert stat.S_IMODE(secrets_file.stat().st_mode) == 0o600
    assert set(tmp_path.iterdir()) == {path, secrets_file}


def test_every_service_has_an_address(settings: Settings) -> None:
    services = descriptor.describe(settings)["services"]
    names = {"frontend", "api", "worker", "authentication", "storage", "realtime", "database"}
    assert set(services) == names
    assert services["realtime"] == {
        "url": settings.url("api", "ws"),
        "probe": "/ws/health",
        "build": "json:build",
        "version": "json:version",
    }


def test_settings_do_not_show_their_secrets(settings: Settings) -> None:
    text = repr(settings)
    secrets = [name for name in settings.__dataclass_fields__ if name.endswith(("_password", "_secret", "_key"))]
    assert len(secrets) >= 8
    assert not any(getattr(settings, name) in text for name in secrets)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device", "/x/y"), "No space left on device: /x/y; see to space and permissions"),
        (OSError(28, "No space left on device"), "No space left on device; see to space and permissions"),
        (KeyError("queue"), "unexpected KeyError: 'queue'; this is a fault of the sandbox itself"),
    ],
)
def test_whatever_goes_wrong_is_said_in_a_line(error: Exception, line: str) -> None:
    assert in_a_line(error).startswith(line)


def test_a_reserved_port_is_free_for_its_part_and_for_nobody_else(settings: Settings) -> None:
    with reserve() as reserved:
        port = reserved.getsockname()[1]
        own = Settings(settings.directory, {"api-1": port}, build="abc123", service="api-1")
        with own.listen(), pytest.raises(OSError, match="in use"):
            own.listen()
        own.listen().close()


def test_a_sandbox_is_known_by_its_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    directory = state.make_directory()
    dead = state.Sandbox(str(directory), str(directory / "deployment.yaml"), False, None, reaper=1, reaper_started="0")
    dead.register()
    assert not dead.alive
    assert state.alive() == []
    assert not directory.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_folder_that_others_can_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "acceptance-sandbox").mkdir(mode=0o755)
    with pytest.raises(StartError, match="not a private folder"):
        state.alive()


def test_a_defect_marks_itself_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / state.DEFECT_MARKER
    monkeypatch.setattr(defects, "_marker", marker)
    defects.mark_active()
    assert marker.exists()
    marker.unlink()
    defects.mark_active()
    assert not marker.exists()


def test_a_seam_that_is_not_there_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no seam 'gone'"):
        defects.patch(state, "gone", None)
