"""One running suite for all end-to-end tests of a session: each file has forces of its own."""

import itertools
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from suite.settings import SuiteSettings
from suite.suite import Suite, erase
from tests.postgres_server import SMALL, throwaway_folder

# essex and kent have the simulated cameras; each of the others belongs to the tests of one file.
FORCES = ("essex", "kent", "avon", "clyde", "dee", "humber", "medway", "orwell", "severn")
# Cut short what is a matter of patience only, so that the tests need not be patient.
IMPATIENT = {
    "ingest": {"GANTRY_INGEST__APPEND_SECONDS": "3"},
    "nas_bridge": {
        "GANTRY_BRIDGE__RETRY_FIRST_SECONDS": "0.1",
        "GANTRY_BRIDGE__RETRY_MOST_SECONDS": "1",
    },
}
# After a crash PostgreSQL syncs its folder: the file system as a whole is quicker than thousands of files.
POSTGRES = {**SMALL, "recovery_init_sync_method": "syncfs"}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def suite() -> AsyncIterator[Suite]:
    """The running suite. Whoever disturbs it puts it right again."""
    with throwaway_folder() as folder:
        settings = SuiteSettings(
            folder / "state", forces=FORCES, operator="operator", environment=IMPATIENT, postgres=POSTGRES
        )
        async with Suite(settings) as running:
            yield running
        await erase(settings.folder)


@pytest.fixture(scope="session")
def feed_name() -> Callable[[str], str]:
    """Names of feeds that no other test uses."""
    numbers = itertools.count(1)
    return lambda label: f"{label}-{next(numbers)}"
