"""The owned loop: repeats, survives transient errors, raises bugs, and ends on a stop."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

import pytest

from chassis import loops
from chassis.backoff import Backoff
from chassis.errors import Unavailable
from chassis.loops import repeat

QUICK = 0.001


def _no_wait() -> Backoff:
    return Backoff(0.0, 0.0)


class Work:
    """Counts its runs; raises the given errors, then none."""

    def __init__(self, *failures: BaseException | None) -> None:
        self.runs = 0
        self.reached = asyncio.Event()
        self._failures = list(failures)

    async def __call__(self) -> None:
        self.runs += 1
        failure = self._failures.pop(0) if self._failures else None
        if not self._failures:
            self.reached.set()
        if failure is not None:
            raise failure


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 2)


async def test_an_outage_is_logged_once_and_its_end_once(caplog):
    caplog.set_level(logging.INFO)
    away = Unavailable("AWAY", "away")
    work = Work(away, away, TimeoutError(), None, away, None, None)
    task = asyncio.create_task(repeat(work, name="purging", every=QUICK, backoff=_no_wait()))
    await asyncio.wait_for(work.reached.wait(), 2)
    await _end(task)
    told = [(record.getMessage(), getattr(record, "cause", "")) for record in caplog.records]
    assert told[:4] == [
        ("purging failed", "AWAY"),
        ("purging works again", ""),
        ("purging failed", "AWAY"),
        ("purging works again", ""),
    ]


async def test_a_bug_is_raised():
    with pytest.raises(KeyError):
        await asyncio.wait_for(repeat(Work(None, KeyError("x")), name="it", every=QUICK), 2)


async def test_a_group_with_a_bug_is_raised():
    group = ExceptionGroup("two", [TimeoutError(), KeyError("x")])
    with pytest.raises(ExceptionGroup):
        await asyncio.wait_for(repeat(Work(group), name="it", every=QUICK), 2)


async def test_it_runs_at_once_when_it_is_woken():
    wake, ran = asyncio.Event(), asyncio.Queue[None]()

    async def work() -> None:
        ran.put_nowait(None)

    task = asyncio.create_task(repeat(work, name="it", every=3600, wake=wake))
    for _ in range(3):
        await asyncio.wait_for(ran.get(), 2)
        wake.set()
    await _end(task)


async def test_a_wake_while_it_works_is_not_lost():
    wake, runs = asyncio.Event(), 0
    again = asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            wake.set()
        else:
            again.set()

    task = asyncio.create_task(repeat(work, name="it", every=3600, wake=wake))
    await asyncio.wait_for(again.wait(), 2)
    await _end(task)


async def test_it_runs_again_after_the_interval_without_a_wake():
    work = Work(None, None, None)
    task = asyncio.create_task(repeat(work, name="it", every=QUICK, wake=asyncio.Event()))
    await asyncio.wait_for(work.reached.wait(), 2)
    await _end(task)


async def test_the_wait_that_the_far_side_asks_for_is_kept():
    work = Work(Unavailable("AWAY", "away", retry_after=0.1), None)
    began = time.monotonic()
    task = asyncio.create_task(repeat(work, name="it", every=3600, backoff=_no_wait()))
    await asyncio.wait_for(work.reached.wait(), 2)
    assert time.monotonic() - began >= 0.1
    await _end(task)


@pytest.mark.parametrize("in_place_of_it", [ConnectionResetError("x"), KeyError("x"), None], ids=repr)
async def test_a_cancellation_takes_precedence_over_an_error_raised_in_its_place(
    in_place_of_it: BaseException | None,
):
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if in_place_of_it is not None:
                raise in_place_of_it from None

    task = asyncio.create_task(repeat(work, name="it", every=0, backoff=_no_wait()))
    await asyncio.wait_for(begun.wait(), 2)
    await _end(task)


async def test_work_that_would_not_end_is_left_behind(monkeypatch, caplog):
    monkeypatch.setattr(loops, "_END_SECONDS", 0.05)
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        while not let_go.is_set():
            begun.set()
            with suppress(asyncio.CancelledError):
                await let_go.wait()

    task = asyncio.create_task(repeat(work, name="stubborn", every=0))
    await asyncio.wait_for(begun.wait(), 2)
    await _end(task)
    assert [record.getMessage() for record in caplog.records] == ["stubborn would not end"]
    let_go.set()


async def test_work_that_cancels_itself_does_not_end_the_loop_quietly():
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="it was cancelled from within"):
        await asyncio.wait_for(repeat(work, name="it", every=0), 2)


@pytest.mark.parametrize("failure", [None, Unavailable("AWAY", "away")], ids=repr)
async def test_a_cancellation_ends_the_waits(failure: BaseException | None):
    work = Work(failure)
    backoff = Backoff(3600, 3600, random=lambda _, high: high)
    task = asyncio.create_task(repeat(work, name="it", every=3600, backoff=backoff))
    await asyncio.wait_for(work.reached.wait(), 2)
    await _end(task)


async def test_a_timeout_around_it_still_is_a_timeout():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await repeat(Work(), name="it", every=QUICK)
