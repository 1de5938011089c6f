"""Services of the previous release beside present ones, on the present schemas, while reads flow."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from suite.database import SERVICES
from suite.suite import Suite, erase
from tests.chaos.flow import Flow, flowing
from tests.chaos.observers import observing
from tests.chaos.progress import all_goes_on
from tests.chaos.verdict import nothing_is_lost_or_doubled
from tests.e2e.door import connected
from tests.e2e.machine import settings_in
from tests.postgres_server import throwaway_folder
from tests.skew.released import environment_of, released_tree, runs_its_own_code

pytestmark = pytest.mark.timeout(300)

GOES_ON_WITHIN = 25.0
ROLLED_OUT = ("store", "match", "nas_bridge", "ingest")


@pytest.fixture(scope="module")
def released() -> Iterator[Path]:
    with released_tree() as tree:
        yield tree


def test_the_released_tree_runs_its_own_code(released: Path) -> None:
    assert runs_its_own_code(released)


async def test_a_rolling_upgrade_and_one_old_service_at_a_time(released: Path) -> None:
    """All are old and our clients call them; they are replaced one by one; then each alone is old again."""
    old = environment_of(released)
    with throwaway_folder() as folder:
        present = settings_in(folder, ("essex", "kent"))
        all_old = {service: {**present.environment.get(service, {}), **old} for service in SERVICES}
        async with (
            Suite(replace(present, environment=all_old)) as suite,
            connected(suite) as connection,
            observing(suite) as (tails, rooms),
        ):
            async with flowing(suite, connection, 1, tick=0.2) as flow:
                await _goes_on(suite, flow, "all old")
                for service in ROLLED_OUT:
                    await suite.restart(service, _PRESENT)
                    await _goes_on(suite, flow, f"{service} was upgraded")
                for service in ROLLED_OUT:
                    await suite.restart(service)
                    await _goes_on(suite, flow, f"only {service} is old")
                    await suite.restart(service, _PRESENT)
            await nothing_is_lost_or_doubled(suite, flow, tails, rooms)
        await erase(present.folder)


_PRESENT = {"PYTHONPATH": "", "PYTHONSAFEPATH": ""}


async def _goes_on(suite: Suite, flow: Flow, what: str) -> None:
    await flow.goes_on(20, within=GOES_ON_WITHIN)
    await all_goes_on(suite, flow, within=GOES_ON_WITHIN, what=what)
