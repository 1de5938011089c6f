"""The way to a PostgreSQL that others run: in clear only where nobody listens, and with programs that fit."""

from pathlib import Path
from typing import Any

import pytest

from suite.backup.server import Server, server_elsewhere, server_of
from suite.certificates import Authority
from suite.errors import SuiteError

CONNECTS = 'echo "$0: error: could not connect to a server" >&2; exit 1'
LACKS_TLS = "echo \"sslmode '$PGSSLMODE' invalid when SSL support is not compiled in\" >&2; exit 1"


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    return Authority(tmp_path / "pki").certificate


def programs(folder: Path, does: str = CONNECTS) -> Path:
    """Programs of PostgreSQL that only do one thing."""
    folder.mkdir()
    for name in ("pg_basebackup", "pg_receivewal"):
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    return folder


def server(home: Path, host: str = "db1.example", **given: Any) -> Server:
    usual = {"port": 5432, "user": "postgres", "password_file": None, "authority": None, "programs": None}
    return server_elsewhere(home, host=host, **{**usual, **given})


@pytest.mark.parametrize("host", ["/run/postgresql", "localhost", "127.0.0.1", "127.8.0.1", "::1"])
def test_on_this_machine_no_authority_is_needed(tmp_path: Path, host: str) -> None:
    found = server(tmp_path, host)
    assert found.binaries == server_of(tmp_path).binaries, "without a folder they are the suite's own"
    assert not {name for name in found.environment() if name.startswith("PGSSL")}


@pytest.mark.parametrize("host", ["db1.example", "10.0.0.5", "fd00::5", "localhost.example"])
def test_a_host_on_a_network_needs_an_authority(tmp_path: Path, host: str) -> None:
    with pytest.raises(SuiteError, match=r"must not travel in clear: give --authority FILE"):
        server(tmp_path, host, programs=programs(tmp_path / "bin"))


def test_with_an_authority_programs_verify_the_server(
    tmp_path: Path, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLMODE", "disable")
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    password = tmp_path / "password"
    password.write_text("only for this test\n")
    found = server(
        tmp_path,
        authority=authority.relative_to(tmp_path),
        programs=programs(tmp_path / "bin"),
        password_file=password,
    )
    given = {name: value for name, value in found.environment().items() if name.startswith("PG")}
    assert given == {
        "PGHOST": "db1.example",
        "PGPORT": "5432",
        "PGUSER": "postgres",
        "PGPASSWORD": "only for this test",
        "PGAPPNAME": "gantry/backup",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(authority),
        "PGGSSENCMODE": "disable",
    }


def test_programs_without_tls_are_refused(tmp_path: Path, authority: Path) -> None:
    said = r"have no TLS, which --authority requires: give --programs FOLDER"
    with pytest.raises(SuiteError, match=said):
        server(tmp_path, authority=authority, programs=programs(tmp_path / "bin", LACKS_TLS))
    with pytest.raises(SuiteError, match=said):  # those of the suite are real ones
        server(tmp_path, authority=authority)


def test_what_cannot_be_used_is_named(tmp_path: Path, authority: Path) -> None:
    with pytest.raises(SuiteError, match=r"is a socket's folder, where PostgreSQL has no TLS"):
        server(tmp_path, "/run/postgresql", authority=authority)
    with pytest.raises(SuiteError, match=r"--authority .*away.pem: there is no such file"):
        server(tmp_path, authority=tmp_path / "away.pem")
    found = programs(tmp_path / "bin")
    (found / "pg_receivewal").unlink()
    with pytest.raises(SuiteError, match=r"bin has no pg_receivewal"):
        server(tmp_path, authority=authority, programs=found)
