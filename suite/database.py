"""The database of the suite: a schema, an owner role and a runtime role for each service."""

import base64
import hashlib
import hmac
import os
import secrets
import stringprep
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import asyncpg

from chassis.database import statements
from chassis.settings import DatabaseSettings
from suite.errors import SuiteError
from suite.postgres import ConnectArguments

SERVICES = ("ingest", "store", "match", "nas_bridge")
DATABASE = "gantry"
# Of 200 connections of the server, so that one service cannot take those of the others.
RUNTIME_SESSIONS = 45
OWNER_SESSIONS = 4
_ITERATIONS = 4096  # PostgreSQL's own default
# Warnings of PostgreSQL for grants that were not made or not taken back.
_NOTHING_DONE: Final = frozenset({"01006", "01007"})
_UNRESTRICTED: Final = (
    "advisory locks and large objects stay open to every role of the server, because only a superuser can "
    "close them"
)


class Passwords(Protocol):
    """Decides which passwords the roles get."""

    def due(self, role: str, *, exists: bool) -> str | None:
        """The password that a role, which `exists` or not, gets now; None keeps the one it has."""


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

    def due(self, role: str, *, exists: bool) -> str | None:
        """A new password for a new role, and for one whose file is lost."""
        return None if exists and self.password_file(role).exists() else self.new_password(role)

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
    passwords: Passwords,
    *,
    database: str = DATABASE,
    services: Sequence[str] = SERVICES,
    sessions: int = RUNTIME_SESSIONS,
) -> list[str]:
    """Make the roles, the database and the schemas that are missing; harmless to repeat.

    `connect` gives the arguments for a database, as `LocalPostgres.superuser` does: of a superuser, or of a
    role with CREATEROLE and CREATEDB. `sessions` is the limit of each runtime role. Returns remarks on what
    the server or that role does not permit. SuiteError when the role may not do a step at all.
    """
    async with _preparing(connect("postgres")) as preparing:
        for service in services:
            for role in (owner_role(service), runtime_role(service)):
                await _ensure_role(preparing, passwords, role, schema=service)
            for role, most in ((runtime_role(service), sessions), (owner_role(service), OWNER_SESSIONS)):
                await preparing.run(f"change the role {role}", "limit_role_statement", role, str(most))
        if not await preparing.connection.fetchval(statements("suite").database_exists, database):
            with preparing.doing(f"create the database {database}"):
                await create_database(preparing.connection, database)
        remarks = await _too_few_connections(
            preparing.connection, len(services) * (sessions + OWNER_SESSIONS)
        )
    return [*remarks, *await open_database(connect(database), services)]


async def create_database(connection: asyncpg.Connection, name: str, *, template: str = "template0") -> None:
    """Make a database as a copy of `template`. It fails while a session uses the template."""
    await _execute_built(connection, "create_database_statement", name, template)


async def open_database(superuser: ConnectArguments, services: Sequence[str] = SERVICES) -> list[str]:
    """Admit the services' roles to the database, each to its own schema. Other roles have no access.

    Returns and raises what `prepare_database` does.
    """
    name = superuser["database"]
    async with _preparing(superuser) as preparing:
        await preparing.run(f"close the database {name} to other roles", "close_database_statement", name)
        await preparing.run(f"close the schema public of {name}", "close_public_schema_statement")
        if preparing.is_superuser:
            await preparing.run("restrict functions", "restrict_functions_statement")
        for service in services:
            await _open_schema(preparing, name, service)
    return [] if preparing.is_superuser else [_UNRESTRICTED]


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


@dataclass(frozen=True)
class _Preparing:
    """A connection on which steps are done that may be forbidden. `warnings` are the SQLSTATEs of a step."""

    connection: asyncpg.Connection
    user: str
    is_superuser: bool
    warnings: list[str]

    async def run(self, step: str, builder: str, *arguments: str) -> None:
        """Run a statement that PostgreSQL built. SuiteError names the `step` when the role may not do it."""
        self.warnings.clear()
        with self.doing(step):
            await _execute_built(self.connection, builder, *arguments)
        if not _NOTHING_DONE.isdisjoint(self.warnings):
            raise SuiteError(self._forbidden(step))

    @contextmanager
    def doing(self, step: str) -> Iterator[None]:
        """Turn a refusal of PostgreSQL into a sentence with the step."""
        try:
            yield
        except asyncpg.InsufficientPrivilegeError as error:
            raise SuiteError(self._forbidden(step)) from error

    def _forbidden(self, step: str) -> str:
        return (
            f"the role {self.user} may not {step}: prepare the database as a superuser, or as the role with "
            "CREATEROLE and CREATEDB that made the roles and the database"
        )


@asynccontextmanager
async def _preparing(arguments: ConnectArguments) -> AsyncIterator[_Preparing]:
    connection = await asyncpg.connect(**arguments)
    warnings: list[str] = []
    connection.add_log_listener(lambda _, message: warnings.append(message.sqlstate))
    try:
        user, is_superuser = await connection.fetchrow(statements("suite").own_role)
        yield _Preparing(connection, user, is_superuser, warnings)
    finally:
        await connection.close()


async def _ensure_role(preparing: _Preparing, passwords: Passwords, role: str, *, schema: str) -> None:
    exists = await preparing.connection.fetchval(statements("suite").role_exists, role)
    password = passwords.due(role, exists=exists)
    if password is None:
        return
    verifier = scram_verifier(password, secrets.token_bytes(16))
    if exists:
        step = f"set the password of the role {role}"
        await preparing.run(step, "set_password_statement", role, verifier)
    else:
        await preparing.run(f"create the role {role}", "create_role_statement", role, verifier, schema)


async def _open_schema(preparing: _Preparing, database: str, service: str) -> None:
    """Make the schema of a service and let its roles in."""
    owner, runtime = owner_role(service), runtime_role(service)
    step = f"create the schema {service}"
    if preparing.is_superuser:
        await preparing.run(step, "create_schema_statement", service, owner, runtime)
        await preparing.run(f"admit {owner}", "admit_migrator_statement", owner)
    else:
        # Only members of a role may make a schema that belongs to it.
        await preparing.run(f"become {owner}", "join_role_statement", owner)
        await preparing.run(step, "create_schema_statement", service, owner, runtime)
        await preparing.run(f"leave {owner}", "leave_role_statement", owner)
    for role in (owner, runtime):
        await preparing.run(f"admit {role} to the database {database}", "admit_statement", database, role)


async def _too_few_connections(connection: asyncpg.Connection, wanted: int) -> list[str]:
    """A remark when all roles together may open more connections than the server has."""
    most = await connection.fetchval(statements("suite").connections_for_roles)
    if wanted <= most:
        return []
    remark = (
        f"the services may open {wanted} connections, and the server has {most} for them: raise "
        "max_connections, or prepare with fewer --sessions"
    )
    return [remark]


async def _execute_built(connection: asyncpg.Connection, builder: str, *arguments: str) -> None:
    """Run a statement that PostgreSQL built from names, which it quotes where necessary."""
    built = await connection.fetchval(statements("suite")[builder], *arguments)
    if built is not None:
        await connection.execute(built)
