"""Fixtures of match's contract tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from chassis.settings import DatabaseSettings
from suite.certificates import Authority
from tests.contract.match.memory_log import MemoryLog
from tests.contract.match.served import Served, running


@pytest.fixture
async def match_database(service_database: Callable[[str], Awaitable[DatabaseSettings]]) -> DatabaseSettings:
    """match's runtime role in a fresh schema."""
    return await service_database("match")


@pytest.fixture
async def log() -> MemoryLog:
    """An empty log."""
    return MemoryLog()


@pytest.fixture
async def served(
    match_database: DatabaseSettings, log: MemoryLog, pki: Authority
) -> AsyncIterator[Callable[..., Awaitable[Served]]]:
    """Gives a function that starts a replica behind gRPC; several share the database and the log."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Served:
            return await stack.enter_async_context(running(match_database, log, pki, **options))

        yield start
