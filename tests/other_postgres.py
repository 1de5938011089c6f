"""A PostgreSQL of another version, or a pooler in front of one. A test is skipped where they are missing."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from chassis.settings import TlsSettings
from suite.postgres import ConnectArguments
from suite.postgres_configuration import SUPERUSER
from suite.postgres_home import reachable
from tests.postgres_server import throwaway_folder

_ROOT = Path(__file__).parents[1]
_OS_USER = "postgres"
_START_SECONDS = 30.0


def binaries(major: int) -> Path:
    """The folder with that version's `postgres`. Skips the test when there is none."""
    places = (
        os.environ.get(f"GANTRY_TEST_POSTGRES_{major}", ""),
        _ROOT / ".tools" / f"postgres-{major}" / "bin",
        f"/usr/lib/postgresql/{major}/bin",
    )
    for place in filter(None, places):
        if (Path(place) / "postgres").exists():
            return Path(place)
    pytest.skip(
        f"PostgreSQL {major} is not installed: `make postgres-17` fetches 17, Debian's postgresql-15 is 15, "
        f"and GANTRY_TEST_POSTGRES_{major} names a folder with its binaries"
    )


@contextmanager
def other_postgres(
    major: int, *, tls: TlsSettings | None = None, password: str | None = None, rules: str = ""
) -> Iterator[ConnectArguments]:
    """The superuser's way into a running server of that version. Nothing is left of it.

    With `tls` it shows this certificate to who asks for TLS. Without a `password` everybody is trusted.
    `rules` are lines of pg_hba.conf in place of the usual ones.
    """
    found = binaries(major)
    with throwaway_folder() as folder:
        found = _within_reach(found, folder)
        data = folder / "data"
        data.mkdir(mode=0o700)
        _give(data)
        (folder / "password").write_text(password or "unused")
        way_in = ("-A", "scram-sha-256" if password else "trust", "--pwfile", folder / "password")
        _run(found / "initdb", "-D", data, "-U", SUPERUSER, "-E", "UTF8", "--locale", "C", "-N", *way_in)
        if rules:
            (data / "pg_hba.conf").write_text(rules)
        port = _free_port()
        options = (
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"port={port}",
            "-c",
            f"unix_socket_directories={data}",
            "-c",
            "max_connections=200",
            *(() if tls is None else _with_tls(tls, data)),
        )
        with _process(port, found / "postgres", "-D", data, *options):
            _wait_until(lambda: "ready" in (data / "postmaster.pid").read_text(), "PostgreSQL is not ready")
            yield ConnectArguments(host="127.0.0.1", port=port, user=SUPERUSER, database="postgres")


@contextmanager
def pooler(server: ConnectArguments, mode: str, passwords: Mapping[str, str]) -> Iterator[int]:
    """The port of a PgBouncer in front of `server`, for these roles. `mode` is as in its pool_mode."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        pytest.skip("PgBouncer is not installed: Debian's package pgbouncer has it")
    with throwaway_folder() as folder:
        port = _free_port()
        users = (f'"{role}" "{password}"\n' for role, password in passwords.items())
        (folder / "users").write_text("".join(users))
        (folder / "pooler.ini").write_text(
            f"[databases]\n* = host={server['host']} port={server['port']}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {folder / 'users'}\npool_mode = {mode}\n"
            "default_pool_size = 45\nmax_client_conn = 200\n"
        )
        with _process(port, Path(program), folder / "pooler.ini"):
            yield port


def _with_tls(tls: TlsSettings, data: Path) -> tuple[str, ...]:
    """Options for TLS. The server refuses a key that others may read."""
    for source, name in ((tls.certificate, "tls.crt"), (tls.key, "tls.key")):
        shutil.copyfile(source, data / name)
        (data / name).chmod(0o600)
        _give(data / name)
    # The second address is in no certificate.
    listen = "listen_addresses=127.0.0.1,127.0.0.2"
    return ("-c", listen, "-c", "ssl=on", "-c", "ssl_cert_file=tls.crt", "-c", "ssl_key_file=tls.key")


def _run(*command: object) -> None:
    subprocess.run([*map(str, command)], user=_user(), cwd="/", check=True, capture_output=True)


@contextmanager
def _process(port: int, *command: object) -> Iterator[None]:
    """A program that runs until the end of the block, and listens on `port` at its start."""
    with subprocess.Popen(
        [*map(str, command)], user=_user(), cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        try:
            _wait_until(lambda: child.poll() is not None or _listens(port), f"{command[0]} does not listen")
            yield
        finally:
            child.send_signal(3)  # SIGQUIT: at once
            child.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _wait_until(fulfilled: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + _START_SECONDS
    while not fulfilled():
        assert time.monotonic() < until, otherwise
        time.sleep(0.05)


def _within_reach(found: Path, folder: Path) -> Path:
    """The binaries, or a copy of the whole installation that the OS user can reach."""
    if _user() is None or reachable(found / "postgres", _OS_USER):
        return found
    shutil.copytree(found.parent, folder / "installation", symlinks=True)
    return folder / "installation" / "bin"


def _user() -> str | None:
    return _OS_USER if os.geteuid() == 0 else None


def _give(path: Path) -> None:
    if (user := _user()) is not None:
        shutil.chown(path, user)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
