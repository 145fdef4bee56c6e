"""Which browser engines are found, how each is driven, and what is printed where one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.browsers import engines
from acceptance.browsers.engines import COMPLETE, Driver, engine_named, find_engines, how_to_install, install_missing
from acceptance.errors import CapabilityMissing, ConfigurationError, EnvironmentUnavailable


def program(folder: Path, name: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_nothing_is_found_on_an_empty_machine(tmp_path: Path) -> None:
    assert find_engines(str(tmp_path), [tmp_path], [str(tmp_path)]) == {}


def test_engines_of_the_system_are_driven_as_each_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    for name in ("chromium", "firefox-esr", "WebKitWebDriver", "Xvfb", "google-chrome"):
        program(tmp_path / "bin", name)
    browser = program(tmp_path / "lib" / "machine" / "webkit2gtk-4.1", "MiniBrowser")
    found = find_engines(str(tmp_path / "bin"), [], [str(tmp_path / "lib")])
    assert {name: engine.driver for name, engine in found.items()} == {
        "chromium": Driver.playwright,
        "firefox": Driver.bidi,
        "webkit": Driver.webdriver,
        "chrome": Driver.playwright,
    }
    assert found["webkit"].executable == browser
    assert found["webkit"].by_webdriver
    assert found["chrome"].family == "chromium"
    assert found["webkit"].described("2.50.6").startswith("WebKit 2.50.6 (the system's), by WebDriver, on ")
    assert "Safari" not in found["webkit"].described("2.50.6")


@pytest.mark.parametrize("missing", ["WebKitWebDriver", "Xvfb"])
def test_webkit_needs_its_driver_and_a_display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    program(tmp_path / "lib" / "machine" / "webkit2gtk-4.1", "MiniBrowser")
    for name in {"WebKitWebDriver", "Xvfb"} - {missing}:
        program(tmp_path / "bin", name)
    assert "webkit" not in find_engines(str(tmp_path / "bin"), [], [str(tmp_path / "lib")])


def test_playwrights_own_browsers_go_before_those_of_the_system(tmp_path: Path) -> None:
    program(tmp_path / "bin", "chromium")
    for name, whole in (("chromium-1243", True), ("webkit-2300", True), ("firefox-1500", False)):
        (tmp_path / "own" / name).mkdir(parents=True)
        if whole:
            (tmp_path / "own" / name / COMPLETE).touch()
    found = find_engines(str(tmp_path / "bin"), [tmp_path / "own"], [])
    assert {name: (one.driver, one.executable) for name, one in found.items()} == {
        "chromium": (Driver.playwright, ""),
        "webkit": (Driver.playwright, ""),
    }


def test_a_missing_engine_says_what_to_type_and_what_that_unlocks() -> None:
    with pytest.raises(
        EnvironmentUnavailable, match=r"Firefox is not on this machine: type '.*rfbrowser install firefox"
    ):
        engine_named("firefox", {})
    lines = " ".join(how_to_install(["webkit"]))
    assert "apt-get install -y --no-install-recommends webkit2gtk-driver xvfb" in lines
    assert "BRW-01" in lines
    assert "on WebKit" in lines


def test_browsers_as_they_are_sold_are_capabilities() -> None:
    with pytest.raises(CapabilityMissing, match="Safari is not on this machine"):
        engine_named("safari", {})


def test_an_unknown_engine_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="no engine is called 'opera'"):
        engine_named("opera", {})


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine without engines, whose commands are only noted."""
    commands: list[str] = []

    def run(command: list[str], within: float) -> bool:
        commands.append(" ".join(command).rpartition("/")[2])
        return False

    monkeypatch.setattr(engines, "_run", run)
    monkeypatch.setattr(engines, "_missing", lambda: ["webkit"])
    monkeypatch.setattr("shutil.which", lambda name, path=None: f"/usr/bin/{name}")
    return commands


def test_packages_are_installed_only_as_root(machine: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(engines, "_is_root", lambda: False)
    assert install_missing(lines.append) == ["webkit"]
    assert machine == ["rfbrowser install webkit"]
    assert any("apt-get install" in line for line in lines)
    monkeypatch.setattr(engines, "_is_root", lambda: True)
    assert install_missing(lines.append) == ["webkit"]
    assert machine[-2:] == [
        "apt-get update -qq",
        "apt-get install -y -qq --no-install-recommends webkit2gtk-driver xvfb",
    ]


def test_nothing_is_installed_where_nothing_is_missing(machine: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_missing", list)
    assert install_missing(lambda line: pytest.fail(line)) == []
    assert machine == []
