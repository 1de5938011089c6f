"""Forward-only SQL migrations."""

from __future__ import annotations
import asyncpg


async def migrate(connection: asyncpg.Connection, package: str) -> list[str]:
    raise NotImplementedError


async def check_migrated(pool: asyncpg.Pool, package: str) -> None:
    raise NotImplementedError
