"""PostgreSQL pools and SQL files."""

from __future__ import annotations
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
import asyncpg
from chassis.settings import DatabaseSettings


class Statements:
    def __getitem__(self, name: str) -> str:
        raise NotImplementedError

    def __getattr__(self, name: str) -> str:
        raise NotImplementedError


@asynccontextmanager
async def open_pool(
    settings: DatabaseSettings, *, init: Callable[[asyncpg.Connection], Awaitable[None]] | None = None
) -> AsyncIterator[asyncpg.Pool]:
    raise NotImplementedError
    yield


def statements(package: str) -> Statements:
    raise NotImplementedError
