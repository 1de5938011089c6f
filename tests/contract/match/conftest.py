"""Fixtures of match's contract tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from chassis.settings import DatabaseSettings
from tests.contract.match.memory_log import MemoryLog


@pytest.fixture
async def match_database(service_database: Callable[[str], Awaitable[DatabaseSettings]]) -> DatabaseSettings:
    """match's runtime role in a fresh schema."""
    return await service_database("match")


@pytest.fixture
async def log() -> MemoryLog:
    """An empty log."""
    return MemoryLog()
