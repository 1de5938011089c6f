"""Fixtures for every test: a real PostgreSQL, migrated clones of it, and certificates."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from chassis.settings import DatabaseSettings
from suite.certificates import Authority
from suite.postgres import ConnectArguments
from tests.postgres_server import SharedServer, shared_server


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests wait for other processes for much of their time."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail tests whose group pytest-xdist does not see: each worker would start the suite that they share."""
    grouped = item.config.getoption("loadgroup", False) and item.get_closest_marker("xdist_group")
    if grouped and "@" not in item.nodeid.rpartition("]")[2]:
        pytest.fail("this pytest-xdist does not group tests with this pytest: see pyproject.toml")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Short ids of long values. The environment has the id, and with a long one no process starts."""
    return f"{argname} of {len(val)}" if isinstance(val, (str, bytes)) and len(val) > 100 else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[SharedServer]:
    """The PostgreSQL of this test process."""
    with shared_server() as server:
        yield server


@pytest.fixture
async def database(postgres_server: SharedServer) -> AsyncIterator[ConnectArguments]:
    """``asyncpg.connect(**database)`` enters an empty, fresh database as the superuser."""
    arguments = await postgres_server.empty()
    yield arguments
    await postgres_server.drop(arguments["database"])


@pytest.fixture
async def service_database(
    postgres_server: SharedServer,
) -> AsyncIterator[Callable[[str], Awaitable[DatabaseSettings]]]:
    """``await service_database("store")``: the runtime role's way into a fresh, migrated database.

    The owner's way into the same one: ``postgres_server.settings(owner_role("store"), settings.name)``.
    """
    made: list[str] = []

    async def clone(service: str) -> DatabaseSettings:
        settings = await postgres_server.migrated(service)
        made.append(settings.name)
        return settings

    yield clone
    for name in made:
        await postgres_server.drop(name)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority; ``pki.issue_service("store")`` gives TlsSettings."""
    return Authority(Path(tmp_path_factory.mktemp("pki")))
