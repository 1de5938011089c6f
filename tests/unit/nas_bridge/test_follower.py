"""Following the log: over interruptions and silence, from the right place, and honest about gaps."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1.store_pb2 import ReadBatch, TailReadsResponse

from chassis.errors import Fault, OutOfRange, Unavailable
from services.nas_bridge.backoff import Backoff
from services.nas_bridge.follower import Follower, LogGapError
from services.nas_bridge.intake import Intake, ParcelLimits
from tests.unit.nas_bridge.reads import make_batch

LIMITS = ParcelLimits(most_reads=100, most_bytes=1_000_000, gather_seconds=0)
Script = list[TailReadsResponse | Fault | None]


class ScriptedLog:
    """Each call plays one script: responses, then a fault, or silence (None), or the end."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.asked: list[tuple[int | None, bool]] = []
        self.closed = 0

    async def follow(
        self, force: str, consumer: str, *, after: int | None, include_images: bool, max_reads: int
    ) -> AsyncIterator[TailReadsResponse]:
        self.asked.append((after, include_images))
        try:
            for each in self.scripts.pop(0) if self.scripts else [None]:
                if isinstance(each, Fault):
                    raise each
                if each is None:
                    await asyncio.Event().wait()
                else:
                    yield each
        finally:
            self.closed += 1


def part(first: int, count: int) -> TailReadsResponse:
    return TailReadsResponse(
        batches=[make_batch(first, count)], position=first + count - 1, head=first + count - 1
    )


def follower(log: ScriptedLog, images: str = "none") -> Follower:
    return Follower(log, "essex", "nas", images, Backoff(0.001, 0.002), silence_seconds=0.05)  # type: ignore[arg-type]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - polled from outside, as a person would
            await asyncio.sleep(0.001)


async def test_it_goes_on_after_the_last_position_it_had() -> None:
    log = ScriptedLog([part(1, 3), Unavailable("STOPPING", "stopping")], [part(4, 2)], [None])
    intake = Intake(LIMITS, 0)
    task = asyncio.create_task(follower(log).follow(intake))
    await until(lambda: len(log.asked) >= 3)
    task.cancel()
    await asyncio.wait([task])
    assert [after for after, _ in log.asked[:3]] == [None, 3, 5]
    assert (await intake.take()).reads == 5


async def test_a_silent_stream_is_left() -> None:
    log = ScriptedLog([part(1, 3), None], [None])
    task = asyncio.create_task(follower(log).follow(Intake(LIMITS, 0)))
    await until(lambda: len(log.asked) >= 2)
    assert log.closed >= 1
    task.cancel()
    await asyncio.wait([task])


async def test_a_slow_forwarder_is_no_silence() -> None:
    log = ScriptedLog([part(1, 101), part(102, 101), part(203, 101)])
    intake = Intake(LIMITS, 0)
    task = asyncio.create_task(follower(log).follow(intake))
    await asyncio.wait([task], timeout=0.2)
    assert len(log.asked) == 1
    task.cancel()
    await asyncio.wait([task])
    assert log.closed == 1


@pytest.mark.parametrize(
    ("fault", "first", "says"),
    [
        (OutOfRange("POSITION_PURGED", "gone", metadata={"first_position": "70"}), 70, "deleted"),
        (OutOfRange("POSITION_PURGED", "gone"), 0, "deleted"),
        (OutOfRange("POSITION_AHEAD", "not yet"), 0, "shorter"),
    ],
)
async def test_a_gap_is_never_followed_over(fault: Fault, first: int, says: str) -> None:
    with pytest.raises(LogGapError, match=says) as raised:
        await follower(ScriptedLog([fault])).follow(Intake(LIMITS, 5))
    assert raised.value.first_position == first


@pytest.mark.parametrize(
    ("images", "asked", "patches", "overviews"),
    [("none", False, 1, 1), ("patch", True, 1, 0), ("both", True, 1, 1)],
)
async def test_images_are_asked_for_as_configured(
    images: str, asked: bool, patches: int, overviews: int
) -> None:
    batch = ReadBatch(reads=ReadColumns(plate_patches=[b"p"], overviews=[b"o"]), positions=[1])
    log = ScriptedLog([TailReadsResponse(batches=[batch], position=1), None])
    intake = Intake(LIMITS, 0)
    task = asyncio.create_task(follower(log, images).follow(intake))
    async with asyncio.timeout(5):
        (taken,) = (await intake.take()).batches
    task.cancel()
    await asyncio.wait([task])
    assert log.asked[0] == (None, asked)
    assert (len(taken.reads.plate_patches), len(taken.reads.overviews)) == (patches, overviews)
