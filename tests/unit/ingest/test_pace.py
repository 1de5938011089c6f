"""The pace of large messages of one force while others send."""

import asyncio

import pytest

from services.ingest.appending.pace import FREE_BYTES, Pace

RATE = 1_000_000
LARGE = 2_000_000


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_force_alone_is_not_paced(clock: Clock) -> None:
    pace = Pace(RATE, clock)
    for _ in range(10):
        pace.count("essex", LARGE)
    assert pace.seconds("essex") == 0.0


def test_beside_another_force_it_waits_for_what_it_has_sent(clock: Clock) -> None:
    pace = Pace(RATE, clock)
    pace.count("kent", 100)
    pace.count("essex", LARGE)
    pace.count("essex", LARGE)
    assert pace.seconds("essex") == pytest.approx(4.0)
    assert pace.seconds("kent") == 0.0
    clock.now += 1.0
    assert pace.seconds("essex") == pytest.approx(3.0)


def test_it_waits_no_longer_when_the_others_have_stopped(clock: Clock) -> None:
    pace = Pace(RATE, clock)
    pace.count("kent", 100)
    pace.count("essex", LARGE * 10)
    clock.now += 2.5
    assert pace.seconds("essex") == 0.0


def test_small_messages_are_free(clock: Clock) -> None:
    pace = Pace(RATE, clock)
    pace.count("kent", 100)
    for _ in range(1000):
        pace.count("essex", FREE_BYTES)
    assert pace.seconds("essex") == 0.0


def test_no_limit(clock: Clock) -> None:
    pace = Pace(0, clock)
    pace.count("kent", 100)
    pace.count("essex", LARGE)
    assert pace.seconds("essex") == 0.0


async def test_streams_of_one_force_share_its_pace() -> None:
    pace = Pace(20 * LARGE)
    read: list[float] = []
    loop = asyncio.get_running_loop()

    async def stream() -> None:
        await pace.take("essex", LARGE)
        read.append(loop.time())

    pace.count("kent", 100)
    began = loop.time()
    await asyncio.gather(*(stream() for _ in range(5)))
    # Each message takes 50 ms of the force's pace, and the first one does not wait.
    assert max(read) - began >= 0.19
