"""The delay of the event loop, with a clock that the test moves and with a loop that really hangs."""

from __future__ import annotations

import asyncio
import threading
import time

from chassis import loop_delay
from chassis.loop_delay import LoopDelay


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def beat(delay: LoopDelay, clock: Clock, late: float) -> None:
    delay.expect()
    clock.now += 0.1 + late
    delay.came()


def test_the_longest_delay_of_a_minute_counts_and_then_no_more():
    clock = Clock()
    delay = LoopDelay(clock)
    beat(delay, clock, late=0.7)
    beat(delay, clock, late=0.2)
    assert round(delay.longest(), 3) == 0.7
    for _ in range(490):
        beat(delay, clock, late=0.0)
    assert round(delay.longest(), 3) == 0.7, "49 s later"
    for _ in range(210):
        beat(delay, clock, late=0.0)
    assert delay.longest() < 0.01, "70 s later"


def test_a_delay_that_still_lasts_counts():
    clock = Clock()
    delay = LoopDelay(clock)
    beat(delay, clock, late=0.0)
    delay.expect()
    clock.now += 30
    assert round(delay.longest(), 3) == 29.9


async def test_another_thread_sees_that_the_loop_hangs():
    seen: list[float] = []

    def look() -> None:
        time.sleep(0.4)
        seen.extend(each.value for each in loop_delay._shown._observed(None))  # type: ignore[arg-type]

    watching = asyncio.create_task(loop_delay.watch())
    await asyncio.sleep(0)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()  # the loop runs nothing meanwhile
    watching.cancel()
    await asyncio.wait([watching])
    assert len(seen) == 1
    assert 0.2 < seen[0] < 30
