"""One suite, without simulated cameras and national services, and one shell for all cases."""

from collections.abc import AsyncIterator

import pytest_asyncio

from suite.suite import Suite
from tests.e2e.machine import fresh_suite
from tests.field.case import FORCE
from tests.field.shell import Shell


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shell(tmp_path_factory) -> AsyncIterator[Shell]:
    """Runs commands beside a running suite."""
    async with fresh_suite(FORCE) as suite:
        with Shell(_home(suite), tmp_path_factory.mktemp("field") / "output") as running:
            yield running


def _home(suite: Suite):
    return suite.layout.folder
