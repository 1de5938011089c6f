"""The suite comes up in order, says what failed, comes back after kills, and resumes from its folder.

Stubs stand for the services here; the real ones are in tests/e2e.
"""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from cli.home import SuiteHome
from suite import suite as suite_module
from suite.errors import SuiteError
from suite.plan import CANARY, Plan
from suite.processes import Command
from suite.settings import SuiteSettings
from suite.suite import Suite, erase
from tests.postgres_server import SMALL, throwaway_folder

STUB = "tests.contract.suite.stub_service"
DEADLINE = 30.0


async def _added_by_hand(*_: object) -> tuple[str, ...]:
    return ("added-by-hand",)


async def _nothing(*_: object) -> None:
    """Stubs know no forces, so that there is nothing to create."""


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[SuiteSettings]:
    def service(plan: Plan, name: str, *_: object) -> Command:
        port_file = str(plan.layout.run / f"{name}.json")
        environment = {"GANTRY_GRPC__PORT_FILE": port_file, **plan.settings.environment.get(name, {})}
        return Command(name, STUB, environment=environment)

    def simulator(plan: Plan, name: str, *_: object) -> Command:
        return service(plan, name)

    def canary(plan: Plan, *_: object) -> Command:
        return service(plan, CANARY)

    def migration(name: str, _: object) -> Command:
        return Command(f"{name}-migrate", "this")

    monkeypatch.setattr(Plan, "service", service)
    monkeypatch.setattr(Plan, "simulator", simulator)
    monkeypatch.setattr(Plan, "canary", canary)
    monkeypatch.setattr(suite_module, "migration", migration)
    monkeypatch.setattr(suite_module, "create_forces", _nothing)
    monkeypatch.setattr(suite_module, "active_forces", _added_by_hand)
    monkeypatch.setattr(suite_module, "add_destinations", _nothing)
    with throwaway_folder() as folder:
        yield SuiteSettings(folder / "state", postgres=SMALL)


async def test_every_process_is_up_and_is_restarted(settings: SuiteSettings) -> None:
    async with Suite(settings) as suite:
        assert list(suite.processes) == ["nas", "nadc", "store", "ingest", "match", "nas_bridge", "canary"]
        assert suite.person().certificate.name == "operator.pem"
        assert SuiteHome(suite.layout.folder).person(None).forces == ("added-by-hand", "essex", "kent")
        assert suite.database("store").user == "gantry_store"
        for process in suite.processes.values():
            await process.kill()
        await asyncio.gather(*(process.ready() for process in suite.processes.values()))
        await suite.postgres.crash()
        await eventually_answers(suite)
        files = {path.name for path in suite.layout.run.iterdir()}
        assert {"store.json", "store.pid"} <= files
    assert list(suite.layout.run.iterdir()) == []
    assert suite.postgres.pid is None


async def test_others_on_the_machine_see_nothing(settings: SuiteSettings) -> None:
    before = os.umask(0o022)
    try:
        async with Suite(settings) as suite:
            seen = {path.relative_to(suite.layout.folder).as_posix() for path in exposed(suite.layout.folder)}
    finally:
        os.umask(before)
    assert seen <= {"postgres", "suite.json"}


def exposed(folder: Path) -> Iterator[Path]:
    """What others may read, in folders that they may enter; PostgreSQL's user must enter some."""
    for path in folder.iterdir():
        if path.stat().st_mode & 0o077:
            yield path
            if path.is_dir():
                yield from exposed(path)


async def test_it_resumes_from_its_folder(settings: SuiteSettings) -> None:
    async with Suite(settings) as first:
        connection = await asyncpg.connect(**first.postgres.superuser("gantry"))
        await connection.execute("create table kept ()")
        await connection.close()
        ports = first.plan.ports
    async with Suite(settings) as second:
        connection = await asyncpg.connect(**second.postgres.superuser("gantry"))
        assert await connection.fetch("select from kept") == []
        await connection.close()
        assert second.plan.ports == ports


async def test_a_cancelled_stop_is_quick_and_leaves_nothing(settings: SuiteSettings) -> None:
    """As by a second Ctrl-C: once while a process drains without end, and once during the start."""
    suite = Suite(settings)

    async def run(stop: asyncio.Event) -> None:
        async with suite:
            suite.process("ingest").send(signal.SIGSTOP)  # does not end when asked to
            stop.set()

    stopping = asyncio.Event()
    task = asyncio.create_task(run(stopping))
    await stopping.wait()
    begun = time.monotonic()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert time.monotonic() - begun < 10, "it would have waited for 20 s"
    assert list(suite.layout.run.iterdir()) == []
    assert [process.pid for process in suite.processes.values()] == [None] * len(suite.processes)
    assert suite.postgres.pid is None
    async with Suite(settings):
        pass


async def test_a_second_suite_in_the_folder_is_refused(settings: SuiteSettings) -> None:
    async with Suite(settings) as suite:
        with pytest.raises(SuiteError, match=r"in use by the suite of process .* which is running"):
            async with Suite(settings):
                pass
        assert suite.process("store").ports


async def test_a_start_that_fails_leaves_nothing_and_says_why(settings: SuiteSettings) -> None:
    broken = SuiteSettings(settings.folder, environment={"match": {"STUB": "dies"}}, postgres=SMALL)
    suite = Suite(broken)
    with pytest.raises(SuiteError, match=r"(?s)match did not start.*stub cannot go on"):
        async with suite:
            pass
    assert [process.pid for process in suite.processes.values()] == [None] * len(suite.processes)
    assert suite.postgres.pid is None
    async with Suite(settings):
        pass


async def test_a_failed_migration_is_explained(
    settings: SuiteSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite_module, "migration", lambda name, _: Command(f"{name}-migrate", STUB, ["dies"]))
    with pytest.raises(SuiteError, match=r"(?s)schema of \w+ could not be brought up to date.*cannot go on"):
        async with Suite(settings):
            pass


async def test_one_that_keeps_dying_ends_the_watch(settings: SuiteSettings, tmp_path: Path) -> None:
    dying = {"store": {"STUB_DIES_WHEN_THERE": str(tmp_path / "now")}}

    async def run() -> None:
        async with Suite(SuiteSettings(settings.folder, environment=dying, postgres=SMALL)) as suite:
            (tmp_path / "now").touch()
            await suite.process("store").kill()
            await suite.watch()

    with pytest.raises(SuiteError, match="store keeps dying"):
        await asyncio.wait_for(run(), DEADLINE)


async def test_nothing_waits_for_the_canary(settings: SuiteSettings) -> None:
    mute = replace(settings, environment={CANARY: {"STUB": "mute"}})
    async with asyncio.timeout(DEADLINE), Suite(mute) as suite:
        assert suite.process(CANARY).pid is not None
        assert not suite.process(CANARY).ports
    async with Suite(replace(settings, canary=False)) as suite:
        assert CANARY not in suite.processes


async def test_erasing_takes_all_of_it_and_nothing_else(settings: SuiteSettings) -> None:
    await erase(settings.folder)
    async with Suite(settings) as suite:
        with pytest.raises(SuiteError, match="in use by another running suite"):
            await erase(settings.folder)
        home = suite.postgres.home
    await erase(settings.folder)
    assert not settings.folder.exists()
    assert not home.base.exists()
    other = settings.folder.parent / "letters"
    other.mkdir()
    (other / "letter").touch()
    with pytest.raises(SuiteError, match="not a suite's folder"):
        await erase(other)
    assert (other / "letter").exists()


async def eventually_answers(suite: Suite) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            connection = await asyncpg.connect(**suite.postgres.superuser())
        except (OSError, asyncpg.PostgresError):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        else:
            await connection.close()
            return
