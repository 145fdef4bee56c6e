"""The browser engines of this machine: which there are, how each is driven, and what it takes to install the others.

Playwright's own browsers are taken where they are installed; where they are not, those of the system. A WebKit of the
system is driven through WebDriver. It is WebKit, and not Safari: that is only on macOS.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

from acceptance.errors import CapabilityMissing, ConfigurationError, EnvironmentUnavailable

DOWNLOAD_SECONDS = 300.0
PACKAGE_SECONDS = 600.0
UPDATE_SECONDS = 120.0
SYSTEM_FOLDERS = ("/usr/lib", "/usr/libexec", "/usr/local/libexec")
COMPLETE = "INSTALLATION_COMPLETE"  # the file with which Playwright marks a browser that is there whole
PACKAGES = {
    "chromium": ("chromium",),
    "firefox": ("firefox-esr",),
    "webkit": ("webkit2gtk-driver", "xvfb"),
}  # Debian's
UNLOCKS = {
    "chromium": ("BRW-01", "BRW-02", "BRW-03", "BRW-04", "PERF-10", "SEC-07"),
    "firefox": ("BRW-01", "BRW-02", "BRW-03", "BRW-04", "PERF-10"),
    "webkit": ("BRW-01", "BRW-02", "BRW-03", "BRW-04", "PERF-10"),
}


class Driver(Enum):
    """How an engine is driven, and with which library of keywords."""

    playwright = "Playwright"
    bidi = "Playwright over WebDriver BiDi"
    webdriver = "WebDriver"


@dataclass(frozen=True)
class Engine:
    """A browser engine of this machine.

    Attributes:
        name: `chromium`, `firefox`, `webkit`, or a browser as it is sold: `chrome`, `safari`.
        title: as people call it.
        driver: how it is driven.
        executable: its program; empty where Playwright knows its own.
        driver_program: the WebDriver that starts it; empty for other drivers.
        needs_display: whether it draws on a display only.
    """

    name: str
    title: str
    driver: Driver
    executable: str = ""
    driver_program: str = ""
    needs_display: bool = False

    @property
    def family(self) -> str:
        """The engine that Playwright starts for it."""
        return {"chrome": "chromium", "safari": "webkit"}.get(self.name, self.name)

    @property
    def by_webdriver(self) -> bool:
        return self.driver is Driver.webdriver

    @property
    def touches(self) -> bool:
        """Whether it can be touched: over WebDriver, in either way, it cannot."""
        return self.driver is Driver.playwright

    def described(self, version: str) -> str:
        """Engine, version, driver and platform, for the evidence."""
        whose = "the system's" if self.executable else "Playwright's"
        system = f"{platform.system()} {platform.machine()}"
        return f"{self.title} {version or 'of unknown version'} ({whose}), by {self.driver.value}, on {system}"


TITLES = {
    "chromium": "Chromium",
    "firefox": "Firefox",
    "webkit": "WebKit",
    "chrome": "Google Chrome",
    "safari": "Safari",
}
ENGINES = ("chromium", "firefox", "webkit")  # the criteria are judged on these
SOLD = ("chrome", "safari")  # browsers as they are sold: more evidence where there are such
_PROGRAMS = {
    "chromium": ("chromium", "chromium-browser"),
    "firefox": ("firefox-esr", "firefox"),
    "chrome": ("google-chrome", "google-chrome-stable"),
}


def find_engines(
    path: str | None = None, folders: Sequence[Path] | None = None, system: Sequence[str] = SYSTEM_FOLDERS
) -> dict[str, Engine]:
    """The engines that can be driven here, by name.

    Args:
        path: where programs are looked for, as in PATH.
        folders: where Playwright's browsers are looked for; default: where Playwright would.
        system: folders below which WebKit's browser program is looked for.
    """
    places = playwright_folders() if folders is None else folders
    found = (_engine(name, path, places, system) for name in (*ENGINES, *SOLD))
    return {engine.name: engine for engine in found if engine is not None}


def engine_named(name: str, known: dict[str, Engine] | None = None) -> Engine:
    """The engine of a name.

    Raises:
        EnvironmentUnavailable: it is not on this machine; says what to type.
        CapabilityMissing: no browser as it is sold is here.
    """
    found = find_engines() if known is None else known
    if name in found:
        return found[name]
    if name in SOLD:
        raise CapabilityMissing(name, f"and {TITLES[name]} is not on this machine")
    if name not in ENGINES:
        raise ConfigurationError([f"no engine is called '{name}'; there are {', '.join((*ENGINES, *SOLD))}"])
    raise EnvironmentUnavailable(f"{TITLES[name]} is not on this machine: {' '.join(how_to_install([name]))}")


def playwright_folders() -> list[Path]:
    """The folders in which Playwright keeps its browsers, the one that it would use first."""
    wanted = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "")
    if wanted not in ("", "0"):
        return [Path(wanted)]
    found = find_spec("BrowserBatteries") or find_spec("Browser")
    packages = [Path(folder) for folder in (found.submodule_search_locations or [])] if found else []
    return [place for folder in packages for place in folder.glob("**/playwright-core/.local-browsers")]


def how_to_install(names: Sequence[str]) -> list[str]:
    """What to type for engines that are missing, and what that unlocks; a line for each way."""
    if not names:
        return []
    criteria = sorted({criterion for name in names for criterion in UNLOCKS[name]})
    packages = " ".join(package for name in names for package in PACKAGES[name])
    return [
        f"type '{Path(sys.executable).parent / 'rfbrowser'} install {' '.join(names)}',",
        f"or as root 'apt-get install -y --no-install-recommends {packages}';",
        f"that unlocks {', '.join(criteria)} on {', '.join(TITLES[name] for name in names)}.",
    ]


def install_missing(say: Callable[[str], object]) -> list[str]:
    """Install the engines that are missing, as far as that is possible; returns the names of those that still are.

    Playwright's download needs no root; where it does not get through, Debian's packages are installed when root asks.
    """
    missing = _missing()
    if missing:
        say(f"installing browsers: {', '.join(missing)}")
        _run([str(Path(sys.executable).parent / "rfbrowser"), "install", *missing], DOWNLOAD_SECONDS)
        missing = _missing()
    if missing and _is_root() and shutil.which("apt-get"):
        packages = [package for name in missing for package in PACKAGES[name]]
        say(f"installing packages: {' '.join(packages)}")
        _run(["apt-get", "update", "-qq"], UPDATE_SECONDS)
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], PACKAGE_SECONDS)
        missing = _missing()
    for line in how_to_install(missing):
        say(line)
    return missing


def _missing() -> list[str]:
    found = find_engines()
    return [name for name in ENGINES if name not in found]


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _run(command: Sequence[str], within: float) -> bool:
    """Whether a command came to a good end in this time; what it prints is of no use to anybody here."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=within, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _engine(name: str, path: str | None, folders: Sequence[Path], system: Sequence[str]) -> Engine | None:
    if name in ENGINES and any(_is_whole(folder, name) for folder in folders):
        return Engine(name, TITLES[name], Driver.playwright)
    if name == "webkit":
        return _system_webkit(path, system)
    if name == "safari":
        program = shutil.which("safaridriver", path=path) if sys.platform == "darwin" else None
        return Engine(name, TITLES[name], Driver.webdriver, driver_program=program) if program else None
    for program in _PROGRAMS[name]:
        if found := shutil.which(program, path=path):
            driver = Driver.bidi if name == "firefox" else Driver.playwright
            return Engine(name, TITLES[name], driver, executable=found)
    return None


def _is_whole(folder: Path, name: str) -> bool:
    return any((entry / COMPLETE).exists() for entry in folder.glob(f"{name}-*"))


def _system_webkit(path: str | None, system: Sequence[str]) -> Engine | None:
    """WebKit as Debian has it: a WebDriver, the browser that it drives, and a display or a program that makes one."""
    program = shutil.which("WebKitWebDriver", path=path)
    browser = next(_browsers_of_webkit(system), None)
    displayed = "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ or shutil.which("Xvfb", path=path)
    if not (program and browser and displayed):
        return None
    return Engine("webkit", TITLES["webkit"], Driver.webdriver, str(browser), program, needs_display=True)


def _browsers_of_webkit(system: Sequence[str]) -> Iterator[Path]:
    for folder in system:
        for pattern in ("*/webkit2gtk-4.*/MiniBrowser", "webkit2gtk-4.*/MiniBrowser", "*/webkitgtk-6.*/MiniBrowser"):
            yield from sorted(Path(folder).glob(pattern))
