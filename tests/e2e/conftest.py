"""One running suite for all end-to-end tests of a session: each file has forces of its own."""

import itertools
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from suite.suite import Suite
from tests.e2e.machine import fresh_suite

# essex and kent have the simulated cameras; each of the others belongs to the tests of one file.
FORCES = (
    *(
        "essex",
        "kent",
        "avon",
        "clyde",
        "dee",
        "humber",
        "medway",
        "orwell",
        "severn",
        "tamar",
        "tees",
        "thames",
    ),
    *("trent", "wear"),
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def suite() -> AsyncIterator[Suite]:
    """The running suite. A test that disturbs it restores it."""
    async with fresh_suite(*FORCES) as running:
        yield running


@pytest.fixture(scope="session")
def feed_name() -> Callable[[str], str]:
    """Names of feeds that no other test uses."""
    numbers = itertools.count(1)
    return lambda label: f"{label}-{next(numbers)}"
