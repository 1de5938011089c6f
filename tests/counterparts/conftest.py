"""One running suite for all counterparts. A test that changes a service starts it again as it was."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from suite.suite import Suite
from tests.e2e.door import EnrolledFeed, enrol
from tests.e2e.machine import fresh_suite


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def suite() -> AsyncIterator[Suite]:
    """The running suite."""
    async with fresh_suite("essex", "kent") as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def feed(suite: Suite) -> EnrolledFeed:
    """A feed of essex."""
    return await enrol(suite, "essex", "counterparts")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them share the suite's loop, and a slow machine needs time."""
    for item in items:
        # Before the marker of pytest-asyncio's automatic mode, which would give each test its own loop: then
        # nothing of the suite would run meanwhile, such as the restart of a process that died.
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
        item.add_marker(pytest.mark.timeout(600))
