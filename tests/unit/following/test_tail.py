"""A log is followed over every interruption, and a gap is never passed over in silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from chassis.backoff import Backoff
from chassis.errors import OutOfRange, Unavailable
from following import Gap, GapError, LineStoppedError, Part, SkipGaps, StopAtGaps
from following.tail import tail
from tests.unit.following.items import Item, Script, reads


def tailed(source: Any, position: int = 0, silence: float = 5.0) -> AsyncGenerator[Part[Item], None]:
    backoff = Backoff(0.001, 0.002)
    return tail(source, position, silence_seconds=silence, backoff=backoff, labels={"force": "essex"})


async def taken(source: Any, count: int, position: int = 0, silence: float = 5.0) -> list[int]:
    positions: list[int] = []
    async with asyncio.timeout(5), aclosing(tailed(source, position, silence)) as parts:
        async for part in parts:
            positions.append(part.position)
            if len(positions) == count:
                break
    return positions


@pytest.mark.parametrize(
    "trouble", [Unavailable("STOPPING", "the server stops"), OSError("cut"), asyncio.CancelledError(), None]
)
async def test_an_interruption_is_followed_by_what_comes_next(trouble: Exception | None) -> None:
    source = Script([reads(1, 2), *([trouble] if trouble else [])], [reads(3, 4)])
    assert await taken(source, 2) == [2, 4]
    assert source.asked == [None, 2]
    assert source.closed == 2


async def test_a_cursor_that_moved_is_followed_from_there() -> None:
    source = Script([reads(8, 9)])
    assert await taken(source, 1, position=7) == [9]
    assert source.asked == [7]


async def test_silence_is_an_interruption() -> None:
    class Silent(Script):
        async def follow(self, after: int | None) -> AsyncGenerator[Part[Item], None]:
            async for part in super().follow(after):
                yield part
            if self.answers:
                await asyncio.Event().wait()

    source = Silent([reads(1, 2)], [reads(3, 3)])
    assert await taken(source, 2, silence=0.05) == [2, 3]


async def test_an_outage_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    away = Unavailable("AWAY", "away")
    await taken(Script([away], [away], [away], [reads(1, 1)]), 1)
    (told,) = caplog.records
    assert told.cause == "AWAY"  # type: ignore[attr-defined]


async def test_a_bug_is_raised() -> None:
    with pytest.raises(KeyError):
        await taken(Script([KeyError("bug")]), 1)


@pytest.mark.parametrize(
    ("fault", "gap"),
    [
        (OutOfRange("POSITION_PURGED", "", metadata={"first_position": "8"}), Gap("POSITION_PURGED", 3, 7)),
        (OutOfRange("POSITION_PURGED", ""), Gap("POSITION_PURGED", 3, None)),
        (OutOfRange("POSITION_AHEAD", "", metadata={"head": "2"}), Gap("POSITION_AHEAD", 3, 2)),
        (OutOfRange("POSITION_AHEAD", ""), Gap("POSITION_AHEAD", 3, None)),
    ],
)
async def test_a_gap_is_raised(fault: OutOfRange, gap: Gap) -> None:
    with pytest.raises(GapError) as raised:
        await taken(Script([fault]), 1, position=3)
    assert raised.value.gap == gap


async def test_policies() -> None:
    gap = Gap("POSITION_PURGED", 3, 7)
    assert SkipGaps().resume_at(gap) == 7
    with pytest.raises(GapError):
        SkipGaps().resume_at(Gap("POSITION_AHEAD", 3, None))
    with pytest.raises(LineStoppedError, match="deleted"):
        StopAtGaps().resume_at(gap)
    with pytest.raises(LineStoppedError, match="shorter"):
        StopAtGaps().resume_at(Gap("POSITION_AHEAD", 3, 2))
