"""`gantry database prepare` on servers that others run: by TCP, with passwords in files."""

import asyncio
import json
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from chassis.database import connect
from chassis.migrations import migrate
from chassis.settings import DatabaseSettings, TlsSettings
from cli.exits import Exit
from cli.main import app
from suite.certificates import Authority
from suite.database import RUNTIME_SESSIONS, SERVICES, owner_role, runtime_role
from suite.ports import free_port
from suite.postgres import LocalPostgres
from tests.other_postgres import other_postgres
from tests.postgres_server import SMALL, throwaway_folder

ROLES = [role(service) for service in SERVICES for role in (runtime_role, owner_role)]
runner = CliRunner()


@dataclass
class Target:
    """A server, and the files with which it is prepared."""

    folder: Path
    host: str
    port: int
    local: LocalPostgres | None = None

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    def new_passwords(self) -> dict[str, str]:
        """A Secret's files end as people write them: with and without a line break."""
        made = {role: secrets.token_urlsafe(12) for role in ROLES}
        for number, (role, password) in enumerate(made.items()):
            self.write(f"roles/{role}.password", password + "\n" * (number % 2))
        return made

    def prepare(self, *more: str, user: str = "postgres", host: str | None = None) -> tuple[int, str]:
        """The verb's exit code and what it says."""
        words = ["database", "prepare", "--host", host or self.host, "--port", str(self.port)]
        files = {
            "--user-file": self.write("username", f"{user}\n"),
            "--password-file": self.folder / "password",
            "--roles": self.folder / "roles",
        }
        options = [str(word) for pair in files.items() for word in pair]
        done = runner.invoke(app, [*words, *options, *more])
        assert done.stdout == "" or "--json" in more
        return done.exit_code, done.stdout + done.stderr

    def settings(self, role: str, database: str, authority: Path | None = None) -> DatabaseSettings:
        return DatabaseSettings(
            host=self.host,
            port=self.port,
            name=database,
            user=role,
            password_file=self.folder / "roles" / f"{role}.password",
            authority=authority,
        )

    async def works(self, database: str, authority: Path | None = None) -> None:
        """Every service brings its schema up to date and reads it with the passwords of the files."""
        for service in SERVICES:
            async with connect(self.settings(owner_role(service), database, authority)) as owner:
                await migrate(owner, import_module(f"services.{service}").MIGRATIONS)
            async with connect(self.settings(runtime_role(service), database, authority)) as runtime:
                assert await runtime.fetchval("select count(*) from schema_migrations") > 0


@pytest.fixture(scope="module")
def server() -> Iterator[LocalPostgres]:
    """A server of one's own on TCP, whose superuser has a password."""
    with throwaway_folder() as folder:
        postgres = LocalPostgres(folder / "postgres", listen_tcp=True, port=free_port(), settings=SMALL)
        asyncio.run(postgres.start())
        asyncio.run(execute(postgres, "create role admin superuser login password 'of the admin'"))
        yield postgres
        asyncio.run(postgres.stop(immediately=True))
        asyncio.run(postgres.erase())


@pytest.fixture
def target(server: LocalPostgres, tmp_path: Path) -> Iterator[Target]:
    made = Target(tmp_path, "127.0.0.1", server.port, server)
    made.write("password", "of the admin\n")
    made.new_passwords()
    yield made
    for database in ("gantry", "other"):
        asyncio.run(execute(server, f"drop database if exists {database} with (force)"))
    for role in ROLES:
        asyncio.run(execute(server, f"drop role if exists {role}"))


async def execute(server: LocalPostgres, statement: str) -> object:
    connection = await asyncpg.connect(**server.superuser())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def test_services_work_in_a_prepared_database_and_repeating_is_harmless(target: Target) -> None:
    for _ in range(2):
        code, said = target.prepare(user="admin")
        assert code == Exit.OK, said
        assert said.startswith(f"PostgreSQL at 127.0.0.1:{target.port} has the database gantry")
        asyncio.run(target.works("gantry"))


def test_the_verb_gives_the_limits_and_answers_in_json(target: Target) -> None:
    code, said = target.prepare("--sessions", "7", "--database", "other", "--json", user="admin")
    assert code == Exit.OK, said
    assert json.loads(said) == {
        "database": "other",
        "roles": ROLES,
        "schemas": list(SERVICES),
        "remarks": [],
    }
    assert target.local is not None
    limit = "select rolconnlimit from pg_roles where rolname = 'gantry_store'"
    assert asyncio.run(execute(target.local, limit)) == 7
    assert target.prepare(user="admin")[0] == Exit.OK
    assert asyncio.run(execute(target.local, limit)) == RUNTIME_SESSIONS


def test_more_sessions_than_the_server_has_are_remarked(target: Target) -> None:
    code, said = target.prepare("--sessions", "100", user="admin")
    assert code == Exit.OK
    assert "may open 416 connections, and the server has 197 for them" in said


def test_existing_roles_get_the_new_passwords(target: Target) -> None:
    assert target.prepare(user="admin")[0] == Exit.OK
    old = (target.folder / "roles" / "gantry_store.password").read_text().strip()
    target.new_passwords()
    assert target.prepare(user="admin")[0] == Exit.OK
    asyncio.run(target.works("gantry"))
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(
            asyncpg.connect(
                host=target.host, port=target.port, user="gantry_store", database="gantry", password=old
            )
        )


def test_a_role_that_only_makes_roles_and_databases_is_enough(target: Target, server: LocalPostgres) -> None:
    asyncio.run(execute(server, "create role maker createrole createdb login password 'of the admin'"))
    try:
        for _ in range(2):
            code, said = target.prepare(user="maker")
            assert code == Exit.OK, said
            assert "note: advisory locks and large objects stay open" in said
            asyncio.run(target.works("gantry"))
        members = "select count(*) from pg_auth_members where (inherit_option or set_option)"
        kept = asyncio.run(execute(server, f"{members} and member = 'maker'::regrole"))
        assert kept == 0, "it acts as the owners only while it works"
    finally:
        asyncio.run(execute(server, "drop database if exists gantry with (force)"))
        for role in (*ROLES, "maker"):
            asyncio.run(execute(server, f"drop role if exists {role}"))


@pytest.mark.parametrize(
    ("rights", "step"),
    [
        ("nocreaterole", "create the role gantry_ingest_owner"),
        ("createrole", "create the database gantry"),
    ],
)
def test_a_right_that_is_missing_is_named(
    target: Target, server: LocalPostgres, rights: str, step: str
) -> None:
    asyncio.run(execute(server, f"create role weak {rights} login password 'of the admin'"))
    try:
        code, said = target.prepare(user="weak")
        assert code == Exit.FAILED
        assert f"the role weak may not {step}: prepare the database as a superuser" in said
        assert said.count("\n") == 1
    finally:
        for role in (*ROLES, "weak"):
            asyncio.run(execute(server, f"drop role if exists {role}"))


def test_roles_of_somebody_else_are_left_alone(target: Target, server: LocalPostgres) -> None:
    assert target.prepare(user="admin")[0] == Exit.OK
    asyncio.run(execute(server, "create role maker createrole createdb login password 'of the admin'"))
    try:
        code, said = target.prepare(user="maker")
        assert code == Exit.FAILED
        assert "the role maker may not set the password of the role gantry_ingest_owner" in said
    finally:
        asyncio.run(execute(server, "drop role maker"))


def test_wrong_files_are_named(target: Target) -> None:
    assert "refuses the password of postgres2" in target.prepare(user="postgres2")[1]
    (target.folder / "roles" / "gantry_match.password").unlink()
    assert "roles has no gantry_match.password: put" in target.prepare(user="admin")[1]
    target.write("roles/gantry_match.password", "\n")
    assert "gantry_match.password is empty" in target.prepare(user="admin")[1]
    target.write("roles/gantry_match.password", "pässword\n")
    assert (
        "gantry_match.password holds letters that are not printable ASCII" in target.prepare(user="admin")[1]
    )
    (target.folder / "password").unlink()
    assert "password: no such file" in target.prepare(user="admin")[1]


def test_a_server_that_is_away_is_waited_for(target: Target) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        target.port = taken.getsockname()[1]
        code, said = target.prepare("--wait", "0.5", user="admin")
    assert code == Exit.FAILED
    assert f"PostgreSQL at 127.0.0.1:{target.port} did not answer within 0.5 s" in said
    assert "correct --host and --port" in said


def test_a_server_that_starts_late_is_prepared(target: Target, server: LocalPostgres) -> None:
    async def late() -> tuple[int, str]:
        await server.stop()
        preparing = asyncio.create_task(asyncio.to_thread(target.prepare, user="admin"))
        with socket.create_server(("127.0.0.1", target.port)) as deaf:
            # It has found no PostgreSQL.
            connection, _ = await asyncio.to_thread(deaf.accept)
            connection.close()
        assert not preparing.done()
        await server.start()
        return await preparing

    code, said = asyncio.run(late())
    assert code == Exit.OK, said


def test_an_older_version_is_refused(tmp_path: Path) -> None:
    with other_postgres(15) as found:
        target = Target(tmp_path, "127.0.0.1", found["port"])
        target.write("password", "any")
        target.new_passwords()
        assert "is version 15, and Gantry needs 17 or 18; upgrade it or correct --host" in target.prepare()[1]


@pytest.fixture(scope="module")
def tls_server(pki: Authority) -> Iterator[tuple[int, TlsSettings]]:
    """The port of a PostgreSQL 17 with TLS for localhost and 127.0.0.1, and its certificate."""
    tls = pki.issue_service("database")
    with other_postgres(17, tls=tls, password="of the admin") as found:
        yield found["port"], tls


def test_the_server_is_verified_by_its_authority(
    tls_server: tuple[int, TlsSettings], server: LocalPostgres, tmp_path: Path
) -> None:
    port, tls = tls_server
    target = Target(tmp_path, "localhost", port)
    target.write("password", "of the admin")
    target.new_passwords()
    impostor = Authority(tmp_path / "impostor").certificate
    assert "is not of the authority" in target.prepare("--authority", str(impostor))[1]
    no_certificate = target.write("empty.pem", "")
    assert "holds no certificate" in target.prepare("--authority", str(no_certificate))[1]
    trusted = ("--authority", str(tls.authority))
    assert "has a certificate for other names" in target.prepare(*trusted, host="127.0.0.2")[1]
    code, said = target.prepare(*trusted)
    assert code == Exit.OK, said
    asyncio.run(target.works("gantry", tls.authority))
    target.port = server.port
    assert "takes no TLS" in target.prepare(*trusted, host="127.0.0.1")[1]
