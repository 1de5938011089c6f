"""Forward-only migrations: ``<package>/migrations/NNNN_name.sql``, each applied once, in order.

A service's schema gets the migrations of shared packages first, then its own, as in
``("chassis", "services.store")``. The schema is named as the last part of the last package: ``store``. Shared
migrations are recorded with their package, as ``chassis/0001_forces_clock_pages.sql``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Final

import asyncpg

from chassis.database import statements
from chassis.database_server import VERSIONS
from chassis.errors import StartupFailure

_FILE: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


@dataclass(frozen=True)
class Migration:
    """One file: the name under which it is recorded, its text, and the digest of the text."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Digest of the text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations_of(package: str) -> list[Migration]:
    """The migrations of `package` in order. Raises StartupFailure for a misnamed or doubled file."""
    files = sorted((resources.files(package) / "migrations").iterdir(), key=lambda file: file.name)
    found = [
        Migration(file.name, file.read_text(encoding="utf-8")) for file in files if file.name.endswith(".sql")
    ]
    numbers: set[str] = set()
    for migration in found:
        match = _FILE.fullmatch(migration.name)
        if match is None or match.group(1) in numbers:
            raise StartupFailure(
                f"{package} has a migration {migration.name}; "
                "its name should be NNNN_name.sql, each number once."
            )
        numbers.add(match.group(1))
    return found


def recorded(packages: tuple[str, ...]) -> list[Migration]:
    """The migrations of all `packages` in order, under the names by which a schema records them."""
    *shared, own = packages
    return [
        *(
            replace(migration, name=f"{package}/{migration.name}")
            for package in shared
            for migration in migrations_of(package)
        ),
        *migrations_of(own),
    ]


async def migrate(
    connection: asyncpg.Connection, packages: tuple[str, ...], *, schema: str | None = None
) -> list[str]:
    """Apply what is missing, each file in a transaction, and return the names applied.

    Runs as the schema's owner; a second migrator waits until the first has finished. Raises StartupFailure
    when the schema does not exist, a file fails, or an applied file was edited since.
    """
    schema = schema or schema_of(packages)
    await connection.execute(statements("chassis")["enter_schema"], schema)
    await _prepare(connection, schema)
    pending = _pending(packages, await _applied(connection))
    return [each.name for each in pending if await _applied_now(connection, each)]


async def check_migrated(pool: asyncpg.Pool, packages: tuple[str, ...], *, schema: str | None = None) -> None:
    """Raise StartupFailure when the schema lacks a migration of this code.

    Migrations of a newer release are allowed: old code runs on the new schema.
    """
    schema = schema or schema_of(packages)
    missing = _pending(packages, await _applied_in(pool, schema))
    if missing:
        raise StartupFailure(
            f"Schema {schema} lacks {missing[0].name}; "
            f"run `python -m {packages[-1]} migrate` as its owner, then start again."
        )


def schema_of(packages: tuple[str, ...]) -> str:
    """The schema that belongs to the last of `packages`: the last part of its name."""
    return packages[-1].rpartition(".")[2]


async def _prepare(connection: asyncpg.Connection, schema: str) -> None:
    sql = statements("chassis")
    try:
        try:
            await connection.execute(sql["create_schema_migrations"])
        except (asyncpg.UniqueViolationError, asyncpg.DuplicateTableError):
            # Another migrator has made it at the same moment.
            await connection.execute(sql["create_schema_migrations"])
    except (asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError) as error:
        raise StartupFailure(
            f"Schema {schema} does not exist or this role does not own it; correct GANTRY_DATABASE__USER."
        ) from error


async def _applied_in(pool: asyncpg.Pool, schema: str) -> dict[str, str]:
    sql = statements("chassis")
    try:
        async with pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute(sql["enter_schema_for_transaction"], schema)
            return await _applied(connection)
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        return {}


async def _applied(connection: asyncpg.Connection) -> dict[str, str]:
    rows = await connection.fetch(statements("chassis")["applied_migrations"])
    return {row["name"]: row["sha256"] for row in rows}


def _pending(packages: tuple[str, ...], applied: Mapping[str, str]) -> list[Migration]:
    migrations = recorded(packages)
    edited = [each.name for each in migrations if applied.get(each.name, each.sha256) != each.sha256]
    if edited:
        raise StartupFailure(
            f"{edited[0]} of {packages[-1]} was edited after it was applied; "
            "restore it and add a new migration."
        )
    return [each for each in migrations if each.name not in applied]


async def _applied_now(connection: asyncpg.Connection, migration: Migration) -> bool:
    """Apply a migration unless it was applied; one migrator of the schema at a time. False: it was."""
    sql = statements("chassis")
    try:
        async with connection.transaction():
            await connection.execute(sql["lock_migrations"])
            # Another migrator may have applied it while this one waited.
            if migration.name in await _applied(connection):
                return False
            await connection.execute(sql["grant_schema_migrations"])
            if connection.get_server_version().major < VERSIONS[-1]:
                await connection.execute(sql["defer_function_bodies"])
            await connection.execute(migration.text)
            await connection.execute(sql["record_migration"], migration.name, migration.sha256)
    except asyncpg.PostgresError as error:
        # PostgreSQL's own text may quote a row, so only the kind of error and its place are shown.
        line = migration.text.count("\n", 0, int(error.position or 0)) + 1
        raise StartupFailure(
            f"{migration.name} failed near line {line}: {type(error).__name__}, sqlstate {error.sqlstate}."
        ) from error
    return True
