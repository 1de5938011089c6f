"""Tasks end together, and an end cannot be swallowed."""

from __future__ import annotations

import asyncio

import pytest

from following import FencedError, LineStoppedError
from following.tasks import EndlessTaskError, decisive, ended, together, wait_unless


async def forever() -> None:
    await asyncio.Event().wait()


async def fail(error: Exception) -> None:
    raise error


async def test_work_that_is_done_ends_what_runs_beside_it() -> None:
    before = asyncio.all_tasks()
    await together([asyncio.sleep(0), asyncio.sleep(0)], [forever()])
    assert asyncio.all_tasks() == before


async def test_a_failure_beside_the_work_ends_it() -> None:
    with pytest.raises(OSError, match="cut"):
        await together([forever()], [fail(OSError("cut"))])


async def test_a_bug_and_a_stop_decide_before_what_passes() -> None:
    stop = LineStoppedError("enough")
    assert decisive(FencedError(), ExceptionGroup("", [OSError(), stop])) is stop
    fenced = FencedError()
    assert decisive(fenced) is fenced


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("following.tasks._PATIENCE_SECONDS", 0.01)

    async def stubborn(times: int) -> None:
        for _ in range(times):
            try:
                await forever()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(stubborn(3))
    await asyncio.sleep(0)
    await ended([task])
    assert task.done()
    endless = asyncio.create_task(stubborn(8), name="endless")
    await asyncio.sleep(0)
    with pytest.raises(EndlessTaskError, match="endless"):
        await ended([endless])
    while not endless.done():
        endless.cancel()
        await asyncio.sleep(0)


async def test_a_wait_ends_with_its_event() -> None:
    event = asyncio.Event()
    assert not await wait_unless(event, 0.001)
    event.set()
    assert await wait_unless(event, 3600)
