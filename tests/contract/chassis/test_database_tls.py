"""A service's way to a PostgreSQL with TLS: verified by an authority, or as the server likes without one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.database import connect, open_pool
from chassis.errors import StartupFailure, Unavailable
from chassis.settings import DatabaseSettings, TlsSettings
from suite.certificates import Authority
from suite.postgres_configuration import SUPERUSER
from tests.other_postgres import other_postgres
from tests.postgres_server import SharedServer

ENCRYPTED = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"


@pytest.fixture(scope="module")
def secured(pki: Authority) -> Iterator[tuple[int, TlsSettings]]:
    """The port of a PostgreSQL 17 that offers TLS for localhost, and its certificate."""
    tls = pki.issue_service("database")
    with other_postgres(17, tls=tls) as found:
        yield found["port"], tls


@pytest.fixture
def settings(secured: tuple[int, TlsSettings]) -> DatabaseSettings:
    port, tls = secured
    return DatabaseSettings(
        host="localhost", port=port, name="postgres", user=SUPERUSER, authority=tls.authority
    )


async def test_a_verified_connection_is_encrypted(settings: DatabaseSettings) -> None:
    async with open_pool(settings) as pool:
        assert await pool.fetchval(ENCRYPTED)
    async with connect(settings) as connection:
        assert await connection.fetchval(ENCRYPTED)


async def test_without_an_authority_tls_is_used_but_not_verified(settings: DatabaseSettings) -> None:
    async with connect(settings.model_copy(update={"authority": None, "host": "127.0.0.2"})) as connection:
        assert await connection.fetchval(ENCRYPTED)


async def test_what_is_wrong_is_said_at_once(settings: DatabaseSettings, tmp_path: Path) -> None:
    impostor = Authority(tmp_path).certificate
    for change, said in (
        ({"host": "127.0.0.2"}, "has a certificate for other names; connect to a name"),
        ({"authority": impostor}, f"is not of the authority {impostor}"),
    ):
        began = time.monotonic()
        for way_in in (open_pool, connect):
            with pytest.raises(StartupFailure, match=said):
                async with way_in(settings.model_copy(update=change)):
                    pass
        assert time.monotonic() - began < 10, "no waiting for what does not change"


async def test_a_server_without_tls_is_refused(postgres_server: SharedServer, pki: Authority) -> None:
    settings = DatabaseSettings(
        host="127.0.0.1",
        port=postgres_server.postgres.port,
        name="postgres",
        user="gantry_store",
        password_file=postgres_server.roles.password_file("gantry_store"),
        authority=pki.certificate,
    )
    with pytest.raises(StartupFailure, match=r"takes no TLS, which the authority .* requires; set ssl = on"):
        async with open_pool(settings):
            pass


async def test_a_renewed_authority_counts_for_the_next_connection(
    settings: DatabaseSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert settings.authority is not None
    trusted = tmp_path / "ca.crt"
    trusted.write_bytes(settings.authority.read_bytes())
    async with open_pool(settings.model_copy(update={"authority": trusted, "pool_size": 2})) as pool:
        trusted.write_bytes(Authority(tmp_path / "impostor").certificate.read_bytes())
        async with pool.acquire() as kept:
            assert await kept.fetchval(ENCRYPTED), "a connection that is open stays"
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await pool.fetchval("select 1")
            assert caplog.messages == ["the database's TLS is not accepted"], "once, not for each call"
            trusted.write_bytes(settings.authority.read_bytes())
            assert await pool.fetchval(ENCRYPTED)


def test_a_socket_has_no_tls(pki: Authority) -> None:
    with pytest.raises(ValueError, match="a socket's folder, where PostgreSQL has no TLS"):
        DatabaseSettings(host="/run/postgresql", user="gantry_store", authority=pki.certificate)
