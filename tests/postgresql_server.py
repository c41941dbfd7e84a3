"""A PostgreSQL cluster of a test's own in a temporary folder, on a unix socket. No tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import gevent
import psycopg
from psycopg import sql

__all__ = ["PostgresServer", "missing"]

_USER = "fsapp"
_QUICK = ("listen_addresses=", "fsync=off", "shared_buffers=64MB", "max_connections=40", "jit=off",
          "log_min_messages=fatal", "autovacuum_naptime=5s")


def _programs() -> Path | None:
    """The folder of PostgreSQL's programs, the newest where there are several: Debian's are not on the PATH."""
    def version(path: Path) -> list[int]:
        return [int(digits) for digits in re.findall(r"\d+", str(path))]

    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=version)
    here = shutil.which("initdb")
    return found[-1].parent if found else Path(here).parent if here else None


def missing() -> str:
    """Why there can be no cluster; empty where there can."""
    if _programs() is None:
        return "there is no PostgreSQL: as root, scripts/test installs Debian's"
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL does not run as root, and there is no setpriv to be somebody else"
    return ""


class PostgresServer:
    """A running cluster. `options` are NAME=VALUE for the server; its folder is made in `within`."""

    def __init__(self, *options: str, within: Path | None = None) -> None:
        programs = _programs()
        assert programs is not None
        self._programs = programs
        self._options = (*_QUICK, *options)
        self._made = 0
        self._process: subprocess.Popen[bytes] | None = None
        # Not in pytest's folders, which only the user of the tests may enter.
        self.folder = Path(tempfile.mkdtemp(prefix="fsapp-pg-", dir=within))
        self._as: list[str] = []
        if os.getuid() == 0:
            try:
                user = pwd.getpwnam("postgres")
            except KeyError:
                user = pwd.getpwnam("nobody")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        try:
            self._run("initdb", "--auth=trust", f"--username={_USER}", "--encoding=UTF8", "--locale=C", "--no-sync",
                      f"--pgdata={self.folder / 'data'}")
            self.start()
        except BaseException:
            self.remove()
            raise

    def start(self) -> None:
        """Start it and wait until it answers."""
        # A socket or lock that a killed server left would be taken for a server that runs.
        for left in ("data/postmaster.pid", ".s.PGSQL.5432.lock", ".s.PGSQL.5432"):
            (self.folder / left).unlink(missing_ok=True)
        told = [part for option in self._options for part in ("-c", option)]
        with (self.folder / "log").open("ab") as log:
            # Should the tests be killed, the server goes along.
            dies = ["setpriv", "--pdeathsig=INT", *self._as[1:]] if shutil.which("setpriv") else []
            self._process = subprocess.Popen(
                [*dies, str(self._programs / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder),
                 *told],
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True)
        with gevent.Timeout(60, AssertionError("PostgreSQL does not answer")):
            while True:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                try:
                    self._ask("SELECT 1")
                    return
                except psycopg.OperationalError:
                    gevent.sleep(0.05)

    def create(self) -> str:
        """The address of a new, empty database."""
        self._made += 1
        name = f"t{self._made}"
        self._ask(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def drop(self, url: str) -> None:
        name = url.partition("/t")[2].partition("?")[0]
        self._ask(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(f"t{name}")))

    def url(self, name: str) -> str:
        return f"postgresql://{_USER}@/{name}?host={self.folder}"

    def kill(self) -> None:
        """End it and all of its processes at once, as a crash of the machine would: with nothing put in order."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGSTOP)
        self._signal_children(signal.SIGKILL)
        self._process.kill()
        self._process.wait(20)
        self._process = None

    def stand_still(self) -> None:
        """Have it hang, until `go_on`: connections stay open and are taken, and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        self._signal_children(signal.SIGSTOP)

    def go_on(self) -> None:
        if self._process is not None:
            self._signal_children(signal.SIGCONT)
            self._process.send_signal(signal.SIGCONT)

    def _signal_children(self, which: signal.Signals) -> None:
        """Each of its processes leads a session of its own."""
        assert self._process is not None
        pid = self._process.pid
        with contextlib.suppress(OSError):
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), which)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _ask(self, query: str | sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=10) as connection:
            connection.execute(query)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([*self._as, str(self._programs / program), *arguments], cwd=self.folder,
                              capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
