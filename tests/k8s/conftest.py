"""One Gantry on a real cluster for all tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.k8s.cluster import why_not
from tests.k8s.images import built_and_loaded
from tests.k8s.lab import Lab, served


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """The served Gantry."""
    if (reason := await why_not()) is not None:
        pytest.skip(f"{reason}; docs/kubernetes.md says how to get a cluster")
    folder: Path = await asyncio.to_thread(tmp_path_factory.mktemp, "k8s")
    tag = await built_and_loaded(folder)
    async with served(tag, folder) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them share the lab's loop, and a cluster needs time."""
    for item in items:
        item.add_marker(pytest.mark.asyncio(loop_scope="session"))
        item.add_marker(pytest.mark.timeout(3600))
