"""Parcels: in order, within limits, never waiting long, never unbounded."""

import asyncio

import pytest
from gantry.store.v1.store_pb2 import ReadBatch, TailReadsResponse
from hypothesis import given
from hypothesis import strategies as st

from services.nas_bridge.intake import Intake, Parcel, ParcelLimits
from tests.unit.nas_bridge.reads import make_batch

AT_ONCE = ParcelLimits(most_reads=10, most_bytes=1_000_000, gather_seconds=0)
PATIENT = ParcelLimits(most_reads=10, most_bytes=1_000_000, gather_seconds=30)


def response(*batches: ReadBatch, position: int = 0, head: int = 0) -> TailReadsResponse:
    last = position or (batches[-1].positions[-1] if batches else 0)
    return TailReadsResponse(batches=batches, position=last, head=head or last)


def positions(parcel: Parcel) -> list[int]:
    return [position for each in parcel.batches for position in each.positions]


async def test_batches_join_up_to_the_limit_and_are_never_split() -> None:
    intake = Intake(AT_ONCE, 0)
    await intake.put(response(make_batch(1, 4), make_batch(5, 4), make_batch(9, 4)), 100)
    assert positions(await intake.take()) == list(range(1, 9))
    assert positions(await intake.take()) == list(range(9, 13))


async def test_a_batch_over_the_limit_goes_alone() -> None:
    intake = Intake(AT_ONCE, 0)
    await intake.put(response(make_batch(1, 25), make_batch(26, 1)), 100)
    assert (await intake.take()).reads == 25
    assert (await intake.take()).reads == 1


async def test_bytes_limit_a_parcel_too() -> None:
    intake = Intake(ParcelLimits(100, 1_000, 0), 0)
    await intake.put(response(make_batch(1, 5), make_batch(6, 5)), 1_600)
    assert (await intake.take()).reads == 5


async def test_a_full_parcel_does_not_wait_for_company() -> None:
    intake = Intake(PATIENT, 0)
    await intake.put(response(make_batch(1, 10)), 100)
    async with asyncio.timeout(5):
        assert (await intake.take()).reads == 10


async def test_a_lonely_read_goes_after_a_while() -> None:
    intake = Intake(ParcelLimits(10, 1_000_000, 0.02), 0)
    await intake.put(response(make_batch(1, 1)), 100)
    async with asyncio.timeout(5):
        assert (await intake.take()).reads == 1


async def test_progress_without_reads_moves_the_cursor_once() -> None:
    intake = Intake(AT_ONCE, 5)
    await intake.put(response(position=9, head=9), 10)
    assert await intake.take() == Parcel([], 9, 9)
    await intake.put(response(position=9, head=9), 10)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await intake.take()


async def test_the_last_parcel_reaches_as_far_as_the_log_was_sent() -> None:
    intake = Intake(AT_ONCE, 0)
    await intake.put(response(make_batch(1, 6), make_batch(8, 6), position=20, head=25), 100)
    first, second = await intake.take(), await intake.take()
    assert (first.position, second.position, second.head) == (6, 20, 25)


async def test_it_takes_no_more_than_two_parcels_in_advance() -> None:
    intake = Intake(AT_ONCE, 0)
    await intake.put(response(make_batch(1, 10)), 100)
    await intake.put(response(make_batch(11, 10)), 100)
    third = asyncio.ensure_future(intake.put(response(make_batch(21, 10)), 100))
    await asyncio.sleep(0)
    assert not third.done()
    await intake.take()
    async with asyncio.timeout(5):
        await third


@given(st.lists(st.lists(st.integers(1, 12), max_size=4), max_size=12))
async def test_nothing_is_lost_doubled_or_reordered(shape: list[list[int]]) -> None:
    intake, sent = Intake(AT_ONCE, 0), 0
    seen: list[int] = []
    for counts in shape:
        batches = []
        for count in counts:
            batches.append(ReadBatch(positions=range(sent + 1, sent + 1 + count)))
            sent += count
        adding = asyncio.ensure_future(intake.put(response(*batches, position=sent), 100))
        while not adding.done() or intake.position > (seen[-1] if seen else 0):
            if intake.position == (seen[-1] if seen else 0):
                await asyncio.sleep(0)
                continue
            parcel = await intake.take()
            seen += positions(parcel)
            assert parcel.reads <= AT_ONCE.most_reads or len(parcel.batches) == 1
            assert parcel.position == (seen[-1] if seen else 0)
        await adding
    assert seen == list(range(1, sent + 1))
