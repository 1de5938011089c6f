"""All of Gantry in a temporary folder, with short time-outs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from suite.settings import SuiteSettings
from suite.suite import Suite, erase
from tests.postgres_server import SMALL, throwaway_folder

# Time-outs and back-offs are short, so that the tests need not wait.
PATIENCE_SECONDS = 3.0
_IMPATIENT = {
    "ingest": {"GANTRY_INGEST__APPEND_SECONDS": str(PATIENCE_SECONDS)},
    "nas_bridge": {
        "GANTRY_BRIDGE__RETRY_FIRST_SECONDS": "0.1",
        "GANTRY_BRIDGE__RETRY_MOST_SECONDS": "1",
    },
}
# More than the tests begin, so that none goes without its trace.
_TRACES_PER_SECOND = 1_000.0
# After a crash PostgreSQL syncs its folder: the file system as a whole is quicker than thousands of files.
_POSTGRES = {**SMALL, "recovery_init_sync_method": "syncfs"}


def settings_in(folder: Path, forces: tuple[str, ...]) -> SuiteSettings:
    """The settings of a suite whose state is below `folder`."""
    return SuiteSettings(
        folder / "state",
        forces=forces,
        environment=_IMPATIENT,
        postgres=_POSTGRES,
        traces_per_second=_TRACES_PER_SECOND,
    )


@asynccontextmanager
async def fresh_suite(*forces: str) -> AsyncIterator[Suite]:
    """A running suite. Its folder is deleted afterwards."""
    with throwaway_folder() as folder:
        async with running_suite(settings_in(folder, forces)) as suite:
            yield suite


@asynccontextmanager
async def running_suite(settings: SuiteSettings) -> AsyncIterator[Suite]:
    """A running suite. Its state is deleted afterwards."""
    async with Suite(settings) as suite:
        yield suite
    await erase(settings.folder)
