"""The index is exchanged without a pause, and holds what is active and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from anpr.confusable import folded_keys
from services.match.index import Keys
from services.match.live_index import ActiveLoads, LiveIndex, Load


class Lists:
    """Loads in memory: the plate of load n is A n. Reading one can be held up."""

    def __init__(self) -> None:
        self.active = ActiveLoads(0, ())
        self.read: list[int] = []
        self.held: dict[int, asyncio.Event] = {}
        self.reading = asyncio.Event()

    async def active_loads(self, force: str) -> ActiveLoads:
        return self.active

    async def folded_keys(self, force: str, load: Load) -> Keys:
        self.read.append(load.load_no)
        if load.load_no in self.held:
            self.reading.set()
            await self.held[load.load_no].wait()
        return folded_keys([f"A{load.load_no}"])

    def commit(self, *loads: int):
        async def activate() -> str:
            self.active = ActiveLoads(self.active.generation + 1, tuple(Load(load, 1) for load in loads))
            return "done"

        return activate


@pytest.fixture
async def lists() -> Lists:
    return Lists()


@pytest.fixture
async def index(lists) -> LiveIndex:
    index = LiveIndex("essex", lists)
    await index.refresh()
    return index


async def test_a_load_is_in_use_when_its_activation_returns(lists, index):
    assert await index.activate(Load(1, 1), lists.commit(1)) == "done"
    assert (index.current.generation, index.current.loads, index.current.entries) == (1, [1], 1)
    assert index.current.find(folded_keys(["A2", "A1"])).tolist() == [1]


async def test_what_stays_is_read_once_and_what_goes_is_forgotten(lists, index):
    await index.activate(Load(1, 1), lists.commit(1))
    await index.activate(Load(2, 1), lists.commit(1, 2))
    await index.activate(Load(3, 1), lists.commit(1, 3))
    assert lists.read == [1, 2, 3]
    assert index.current.loads == [1, 3]
    await lists.commit(1, 2)()
    assert (await index.refresh()).loads == [1, 2]
    assert lists.read == [1, 2, 3, 2]


async def test_reading_a_load_holds_up_nobody(lists, index):
    await index.activate(Load(1, 1), lists.commit(1))
    lists.held[2] = asyncio.Event()
    activating = asyncio.create_task(index.activate(Load(2, 1), lists.commit(1, 2)))
    async with asyncio.timeout(60):
        await lists.reading.wait()
        assert (await index.refresh()).loads == [1]
        lists.held[2].set()
        await activating
    assert index.current.loads == [1, 2]
    assert lists.read.count(2) == 1


async def test_a_commit_that_fails_changes_nothing(lists, index):
    await index.activate(Load(1, 1), lists.commit(1))

    async def fail() -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await index.activate(Load(2, 1), fail)
    assert (await index.refresh()).loads == [1]


async def test_a_replica_that_does_not_follow_reads_nothing(lists):
    index = LiveIndex("essex", lists)
    assert index.current.generation == -1
    await index.activate(Load(1, 1), lists.commit(1))
    await index.renew()
    assert lists.read == []
    assert (await index.refresh()).loads == [1]
    index.drop()
    assert index.current.loads == []
