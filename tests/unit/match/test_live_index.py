"""The index is exchanged without a pause, and holds the active loads and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from anpr.confusable import Keys, folded_keys
from services.match.index import live_index
from services.match.index.live_index import LiveIndex, Load


class Lists:
    """Loads in memory: the plate of load n is A n. Reading one can be held up."""

    def __init__(self) -> None:
        self.active: Sequence[Load] = ()
        self.read: list[int] = []
        self.held: dict[int, asyncio.Event] = {}
        self.reading = asyncio.Event()

    async def active_loads(self, force: str) -> Sequence[Load]:
        return self.active

    async def folded_keys(self, force: str, load: Load) -> Keys:
        self.read.append(load.load_no)
        if load.load_no in self.held:
            self.reading.set()
            await self.held[load.load_no].wait()
        return folded_keys([f"A{load.load_no}"])

    def commit(self, *loads: int) -> None:
        self.active = [Load(load, 1) for load in loads]


@pytest.fixture
async def lists() -> Lists:
    return Lists()


@pytest.fixture
async def index(lists) -> LiveIndex:
    index = LiveIndex("essex", lists)
    await index.refresh()
    return index


async def activate(lists: Lists, index: LiveIndex, load: int, *active: int) -> None:
    async with index.prepared(Load(load, 1)):
        lists.commit(*active)


async def test_a_prepared_load_is_in_memory_when_its_activation_has_committed(lists, index):
    await activate(lists, index, 1, 1)
    assert lists.read == [1]
    current = await index.refresh()
    assert lists.read == [1]
    assert (current.loads, current.entries) == ([1], 1)
    assert current.find(folded_keys(["A2", "A1"])).tolist() == [1]


async def test_a_load_that_stays_is_read_once_and_one_that_goes_is_forgotten(lists, index):
    for load, active in ((1, (1,)), (2, (1, 2)), (3, (1, 3))):
        await activate(lists, index, load, *active)
        assert (await index.refresh()).loads == list(active)
    assert lists.read == [1, 2, 3]
    lists.commit(1, 2)
    assert (await index.refresh()).loads == [1, 2]
    assert lists.read == [1, 2, 3, 2]


async def test_the_load_of_the_canary_s_hotlist_is_for_canaries_alone(lists, index):
    lists.active = [Load(1, 1), Load(2, 1, of_canary=True), Load(3, 1)]
    current = await index.refresh()
    assert (current.loads, current.entries) == ([1, 3], 2)
    assert current.find(folded_keys(["A2", "A1", "A3"])).tolist() == [1, 2]
    assert (current.of_canaries.loads, current.of_canaries.entries) == ([2], 1)
    assert current.of_canaries.find(folded_keys(["A2", "A1", "A3"])).tolist() == [0]
    await index.refresh()
    assert lists.read == [1, 2, 3]


async def test_reading_a_load_delays_no_other_work(lists, index):
    await activate(lists, index, 1, 1)
    lists.held[2] = asyncio.Event()
    activating = asyncio.create_task(activate(lists, index, 2, 1, 2))
    async with asyncio.timeout(60):
        await lists.reading.wait()
        assert (await index.refresh()).loads == [1]
        lists.held[2].set()
        await activating
    assert (await index.refresh()).loads == [1, 2]
    assert lists.read.count(2) == 1


async def test_a_commit_that_fails_changes_nothing(lists, index):
    await activate(lists, index, 1, 1)
    with pytest.raises(ConnectionResetError):
        async with index.prepared(Load(2, 1)):
            raise ConnectionResetError
    assert (await index.refresh()).loads == [1]


async def test_a_replica_without_the_force_s_line_reads_nothing(lists):
    index = LiveIndex("essex", lists)
    await activate(lists, index, 1, 1)
    assert lists.read == []
    assert (await index.refresh()).loads == [1]


async def test_a_released_index_is_freed_a_while_later_unless_it_is_used_again(lists, index, monkeypatch):
    monkeypatch.setattr(live_index, "KEEP_SECONDS", 0.01)
    await activate(lists, index, 1, 1)
    await index.refresh()
    index.release()
    assert (await index.refresh()).loads == [1]
    await asyncio.sleep(0.05)
    assert index.current.loads == [1]
    index.release()
    async with asyncio.timeout(60):
        while index.current.loads:  # noqa: ASYNC110 - a timer frees it
            await asyncio.sleep(0.005)
