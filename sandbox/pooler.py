"""PgBouncer as a service, where it is installed: transaction pooling in front of the database."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Final

from sandbox import postgres
from sandbox.errors import StartError
from sandbox.settings import DATABASE, HOST, POOLED_ROLE, POOLER_STATS_USER, Settings

BINARY: Final = "SANDBOX_PGBOUNCER"  # environment variable: another binary; empty: none
PATH: Final = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))  # where Debian has it
CONSOLE: Final = "pgbouncer"  # the database of its statistics

POOL_SIZE: Final = 20
MAX_CLIENTS: Final = 500
CONFIGURATION: Final[dict[str, Any]] = {
    "listen_addr": HOST,
    "unix_socket_dir": "",
    "auth_type": "scram-sha-256",
    "stats_users": POOLER_STATS_USER,
    "pool_mode": "transaction",
    "default_pool_size": POOL_SIZE,
    "max_client_conn": MAX_CLIENTS,
    "ignore_startup_parameters": "options,extra_float_digits",
    # Every wait is bounded, and a server that was away is asked again soon: the pool recovers by itself.
    "query_wait_timeout": 15,
    "server_connect_timeout": 2,
    "server_login_retry": 0.2,
    "client_login_timeout": 10,
    "server_idle_timeout": 60,
    "log_connections": 0,
    "log_disconnections": 0,
    "stats_period": 3600,
}


def find() -> Path | None:
    """PgBouncer's binary, or none.

    Raises:
        StartError: the environment names one that cannot be run.
    """
    named = os.environ.get(BINARY)
    if named is None or named:
        found = shutil.which(named or "pgbouncer", path=PATH)
        if named and found is None:
            raise StartError(f"{named} is not there or cannot be run: correct {BINARY}, or leave it empty for none")
        return Path(found) if found else None
    return None


def run(settings: Settings) -> None:
    """Become PgBouncer (the body of the service `pooler`). It refuses root, which starts it as `nobody`."""
    parent, user = os.getppid(), postgres.unprivileged_user()
    home = settings.directory / "pooler"
    home.mkdir(mode=0o700, exist_ok=True)
    users, configuration = home / "users", home / "pgbouncer.ini"
    passwords = {POOLED_ROLE: settings.pooled_password, POOLER_STATS_USER: settings.pooler_stats_password}
    users.write_text("".join(f'"{name}" "{password}"\n' for name, password in passwords.items()))
    configured = {**CONFIGURATION, "listen_port": settings.ports["pooler"], "auth_file": users}
    server = f"host={HOST} port={settings.ports['database']} dbname={DATABASE}"
    lines = [f"{name} = {value}" for name, value in configured.items()]
    configuration.write_text("\n".join(["[databases]", f"{DATABASE} = {server}", "[pgbouncer]", *lines, ""]))
    if user:
        for path in (home, users, configuration):
            os.chown(path, user.pw_uid, user.pw_gid)
    postgres.become(user, parent)
    os.execv(settings.pgbouncer, [settings.pgbouncer, str(configuration)])
