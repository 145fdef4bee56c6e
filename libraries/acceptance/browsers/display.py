"""A display without a screen, for engines that draw on one only."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess

from ArtilleryLibrary.process_group import own_group, signal_group

from acceptance.errors import EnvironmentUnavailable

START_SECONDS = 10.0
SCREEN = "1600x1300x24"


class Display:
    """An Xvfb of its own, which ends with this process; where there is a display already, that is used."""

    def __init__(self) -> None:
        self.name = os.environ.get("DISPLAY", "")
        self._server: subprocess.Popen[bytes] | None = None
        if not self.name and "WAYLAND_DISPLAY" not in os.environ:
            self._start()

    def _start(self) -> None:
        program = shutil.which("Xvfb")
        if program is None:
            raise EnvironmentUnavailable("there is no display, and no Xvfb to make one: apt-get install xvfb")
        command = [program, "-displayfd", "1", "-screen", "0", SCREEN, "-nolisten", "tcp"]
        self._server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            **own_group(signal.SIGTERM),
        )  # fmt: skip
        assert self._server.stdout is not None
        ready, _, _ = select.select([self._server.stdout], [], [], START_SECONDS)
        number = self._server.stdout.readline().decode().strip() if ready else ""
        if not number:
            self.close()
            raise EnvironmentUnavailable(f"Xvfb did not start within {START_SECONDS:g} s")
        self.name = f":{number}"

    def close(self) -> None:
        """End the display that was started here."""
        if self._server is not None:
            signal_group(self._server.pid, signal.SIGTERM)
            self._server.wait(timeout=START_SECONDS)
            if self._server.stdout is not None:
                self._server.stdout.close()
            self._server = None
