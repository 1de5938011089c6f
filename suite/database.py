"""The database of the suite: a schema, an owner role and a runtime role for each service."""

import base64
import hashlib
import hmac
import os
import secrets
import stringprep
from collections.abc import Callable, Sequence
from pathlib import Path

import asyncpg

from chassis.database import statements
from chassis.settings import DatabaseSettings
from suite.postgres import ConnectArguments

SERVICES = ("ingest", "store", "match", "nas_bridge")
DATABASE = "gantry"
# Of 200 connections of the server, so that one service cannot take those of the others.
RUNTIME_SESSIONS = 45
_OWNER_SESSIONS = 4
_ITERATIONS = 4096  # PostgreSQL's own default


class Roles:
    """The roles' names and passwords. A password is a file of the folder that only our OS user may read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def password_file(self, role: str) -> Path:
        """The file for the role's password, which may not exist yet."""
        return self._folder / f"{role}.password"

    def settings(
        self, role: str, superuser: ConnectArguments, *, database: str = DATABASE, pool_size: int = 10
    ) -> DatabaseSettings:
        """Settings with which the role connects to the server that `superuser` connects to."""
        return DatabaseSettings(
            host=superuser["host"],
            port=superuser["port"],
            name=database,
            user=role,
            password_file=self.password_file(role),
            pool_size=pool_size,
        )

    def new_password(self, role: str) -> str:
        """Make a random password and store it durably."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        password = secrets.token_urlsafe(32)
        draft = self._folder / f"{role}.draft"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(password + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.password_file(role))
        return password


def owner_role(service: str) -> str:
    """The role that owns the service's schema and migrates it."""
    return f"gantry_{service}_owner"


def runtime_role(service: str) -> str:
    """The role that the running service uses."""
    return f"gantry_{service}"


async def prepare_database(
    connect: Callable[[str], ConnectArguments],
    roles: Roles,
    *,
    database: str = DATABASE,
    services: Sequence[str] = SERVICES,
) -> None:
    """Make the roles, the database and the schemas that are missing; harmless to repeat.

    `connect` gives the superuser's arguments for a database, as `LocalPostgres.superuser` does.
    """
    connection = await asyncpg.connect(**connect("postgres"))
    try:
        for service in services:
            for role in (owner_role(service), runtime_role(service)):
                await _ensure_role(connection, roles, role, schema=service)
            await _execute_built(
                connection, "limit_role_statement", runtime_role(service), str(RUNTIME_SESSIONS)
            )
            await _execute_built(
                connection, "limit_role_statement", owner_role(service), str(_OWNER_SESSIONS)
            )
        if not await connection.fetchval(statements("suite").database_exists, database):
            await create_database(connection, database)
    finally:
        await connection.close()
    await open_database(connect(database), services)


async def create_database(connection: asyncpg.Connection, name: str, *, template: str = "template0") -> None:
    """Make a database as a copy of `template`. It fails while a session uses the template."""
    await _execute_built(connection, "create_database_statement", name, template)


async def open_database(superuser: ConnectArguments, services: Sequence[str] = SERVICES) -> None:
    """Admit the services' roles to the database, each to its own schema. Other roles have no access."""
    name = superuser["database"]
    connection = await asyncpg.connect(**superuser)
    try:
        await _execute_built(connection, "close_database_statement", name)
        await _execute_built(connection, "restrict_functions_statement")
        for service in services:
            owner, runtime = owner_role(service), runtime_role(service)
            await _execute_built(connection, "create_schema_statement", service, owner, runtime)
            await _execute_built(connection, "admit_migrator_statement", owner)
            for role in (owner, runtime):
                await _execute_built(connection, "admit_statement", name, role)
    finally:
        await connection.close()


def scram_verifier(password: str, salt: bytes) -> str:
    """The SCRAM verifier of a password (RFC 5803). PostgreSQL gets it instead of the password.

    ValueError for a password that would need preparation by SASLprep.
    """
    if not password.isascii() or any(stringprep.in_table_c21(letter) for letter in password):
        raise ValueError("the password should be printable ASCII")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"


async def _ensure_role(connection: asyncpg.Connection, roles: Roles, role: str, *, schema: str) -> None:
    exists = await connection.fetchval(statements("suite").role_exists, role)
    if exists and roles.password_file(role).exists():
        return
    # When the secrets folder is lost, the role gets a new password.
    verifier = scram_verifier(roles.new_password(role), secrets.token_bytes(16))
    if exists:
        await _execute_built(connection, "set_password_statement", role, verifier)
    else:
        await _execute_built(connection, "create_role_statement", role, verifier, schema)


async def _execute_built(connection: asyncpg.Connection, builder: str, *arguments: str) -> None:
    """Run a statement that PostgreSQL built from names, which it quotes where necessary."""
    await connection.execute(await connection.fetchval(statements("suite")[builder], *arguments))
