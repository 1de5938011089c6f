"""One running suite for all counterparts. A test that changes a service starts it again as it was."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pyrage
import pytest
import pytest_asyncio

from suite.backup.settings import BackupSettings
from suite.suite import Suite
from tests.e2e.door import EnrolledFeed, enrol
from tests.e2e.machine import running_suite, settings_in
from tests.postgres_server import throwaway_folder

# A thirtieth, as the rules: see SHORT in prometheus.py.
_QUICK_CANARY: Final = {"GANTRY_CANARY__EVERY_SECONDS": "2", "GANTRY_CANARY__LATE_SECONDS": "2"}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def suite() -> AsyncIterator[Suite]:
    """The running suite, with an archiver, and a canary in the pace of the short rules."""
    with throwaway_folder() as folder:
        settings = settings_in(folder, ("essex", "kent"))
        recipient = pyrage.x25519.Identity.generate().to_public()
        settings = replace(
            settings,
            environment={**settings.environment, "canary": _QUICK_CANARY},
            backup=BackupSettings(folder / "archive", (str(recipient),)),
        )
        async with running_suite(settings) as running:
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
