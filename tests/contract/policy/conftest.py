"""A running server with every RPC of every contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from suite.certificates import Authority
from tests.contract.policy.building import Building


@pytest.fixture
async def unstarted(pki: Authority) -> AsyncIterator[Building]:
    """For tests that start it with settings of their own."""
    async with AsyncExitStack() as opened:
        yield Building(pki, opened)


@pytest.fixture
async def building(unstarted: Building) -> Building:
    """With the usual settings."""
    await unstarted.start()
    return unstarted
