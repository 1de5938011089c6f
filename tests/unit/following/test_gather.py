"""Parts are cut in order, whole, and within the limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from following import GatherLimits, Part
from following.gather import Gather
from tests.unit.following.items import Item, reads

# Each item: reads and bytes; each part: items and how much further than its items it reaches.
PARTS = st.lists(
    st.tuples(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 50)), max_size=6), st.integers(0, 3)),
    max_size=12,
)
LIMITS = st.builds(GatherLimits, st.integers(1, 20), st.integers(1, 120), st.sampled_from([0.0, 0.001]))


def parts_of(shape: Sequence[tuple[Sequence[tuple[int, int]], int]]) -> list[Part[Item]]:
    parts, position = [], 0
    for items, beyond in shape:
        made = []
        for count, size in items:
            position += count
            made.append(Item(position, count, size))
        position += beyond
        parts.append(Part(made, position, position))
    return parts


async def each(parts: Sequence[Part[Item]]) -> AsyncGenerator[Part[Item], None]:
    for part in parts:
        yield part
        await asyncio.sleep(0)


@given(PARTS, LIMITS)
def test_fed_items_are_taken_whole_in_order_and_within_the_limits(
    shape: Sequence[tuple[Sequence[tuple[int, int]], int]], limits: GatherLimits
) -> None:
    parts = parts_of(shape)
    taken = asyncio.run(take_all(parts, limits))
    assert [item for part in taken for item in part.items] == [item for part in parts for item in part.items]
    position = 0
    for part in taken:
        assert part.position > position
        assert all(position < item.last <= part.position for item in part.items)
        if len(part.items) > 1:
            assert part.count <= limits.most_reads
            assert sum(item.size for item in part.items) <= limits.most_bytes
        position = part.position
    assert position == max((part.position for part in parts), default=0)


async def take_all(parts: Sequence[Part[Item]], limits: GatherLimits) -> list[Part[Item]]:
    gather: Gather[Item] = Gather(limits, 0)
    feeding = asyncio.create_task(gather.feed(each(parts)))
    taken = []
    while (part := await gather.take()) is not None:
        taken.append(part)
        # Waiting items are bounded: a full part, and the items that arrived with its last one.
        assert gather._reads <= limits.most_reads + max(part.count for part in parts)
    await feeding
    return taken


async def test_reads_that_arrive_meanwhile_are_taken_together() -> None:
    gather: Gather[Item] = Gather(GatherLimits(), 0)
    for position in range(1, 4):
        await gather.put(reads(position, position))
    part = await gather.take()
    assert part is not None
    assert (part.count, part.position) == (3, 3)


async def test_a_part_waits_for_company_until_it_is_full() -> None:
    gather: Gather[Item] = Gather(GatherLimits(most_reads=3, seconds=3600), 0)
    taking = asyncio.create_task(gather.take())
    await gather.put(reads(1, 2))
    await asyncio.sleep(0.02)
    assert not taking.done()
    await gather.put(reads(3, 5))
    part = await taking
    assert part is not None
    assert part.position == 3
    await gather.put(reads(6, 6))
    part = await gather.take()
    assert part is not None
    assert part.position == 6


async def test_a_part_waits_for_company_so_long_only() -> None:
    gather: Gather[Item] = Gather(GatherLimits(seconds=0.01), 0)
    await gather.put(reads(1, 1))
    part = await gather.take()
    assert part is not None
    assert part.position == 1


async def test_a_log_that_moves_on_without_reads_is_taken_at_once() -> None:
    gather: Gather[Item] = Gather(GatherLimits(seconds=3600), 5)
    await gather.put(Part((), 5, 5))
    taking = asyncio.create_task(gather.take())
    await asyncio.sleep(0)
    assert not taking.done(), "it has not moved"
    await gather.put(Part((), 9, 9))
    assert await taking == Part([], 9, 9)


@pytest.mark.parametrize("limits", [GatherLimits(most_reads=2), GatherLimits(most_bytes=20)])
async def test_feeding_waits_while_more_than_a_full_part_is_waiting(limits: GatherLimits) -> None:
    gather: Gather[Item] = Gather(limits, 0)
    await gather.put(reads(1, 2))
    await gather.put(reads(3, 3))
    putting = asyncio.create_task(gather.put(reads(4, 4)))
    await asyncio.sleep(0.01)
    assert not putting.done()
    assert await gather.take() is not None
    await putting


async def test_parts_before_a_failure_are_taken_first() -> None:
    async def fails() -> AsyncGenerator[Part[Item], None]:
        yield reads(1, 2)
        raise OSError("cut")

    gather: Gather[Item] = Gather(GatherLimits(seconds=3600), 0)
    feeding = asyncio.create_task(gather.feed(fails()))
    part = await gather.take()
    assert part is not None
    assert part.position == 2
    assert await gather.take() is None
    with pytest.raises(OSError, match="cut"):
        await feeding


async def test_nothing_is_taken_after_closing_whatever_comes() -> None:
    """Taking a later part without the one before it would skip reads."""
    gather: Gather[Item] = Gather(GatherLimits(), 0)
    await gather.put(reads(1, 2))
    gather.close()
    await gather.put(reads(3, 4))
    assert await gather.take() is None


async def test_closing_ends_a_wait_for_company() -> None:
    gather: Gather[Item] = Gather(GatherLimits(seconds=3600), 0)
    await gather.put(reads(1, 2))
    taking = asyncio.create_task(gather.take())
    await asyncio.sleep(0)
    gather.close()
    assert await taking is None
