"""What a connection holds, from the bytes that it has received: keep-alive is no message that has begun."""

import asyncio

import grpc

from chassis.arrivals import Connection
from chassis.errors import Fault

UNREAD = 32 * 1024
HOURS_12 = 12 * 3600
PING = 39
"""Over TLS."""


def idle(connection: Connection, received: int, began: float) -> int:
    """Twelve hours of pings, one each ten seconds, and answers to the server's, looked at twice a second."""
    for half_seconds in range(2 * HOURS_12):
        received += PING * (not half_seconds % 20) + PING * (not half_seconds % 40)
        connection.measure(received, began + half_seconds / 2)
        assert connection.unfinished < 1024
        assert connection.stalled_since is None
    return received


def test_an_idle_connection_holds_nothing_after_half_a_day() -> None:
    connection = Connection(UNREAD)
    received = idle(connection, 2_000, 0.0)
    connection.delivered(500)
    connection.measure(received + 560, HOURS_12)
    assert connection.unfinished == 0


def test_half_a_message_after_half_a_day_counts_at_once() -> None:
    connection = Connection(UNREAD)
    received = idle(connection, 2_000, 0.0)
    connection.measure(received + 1_000_000, HOURS_12)
    assert connection.unfinished > 990_000
    assert connection.stalled_since == HOURS_12


def test_a_message_that_comes_slowly_counts() -> None:
    connection = Connection(UNREAD)
    for second in range(120):
        connection.measure(2_000 + second * 1_000, float(second))
    assert connection.unfinished > 100_000
    assert connection.stalled_since is not None


async def test_what_still_comes_for_calls_that_have_ended_is_not_held() -> None:
    connection, task = Connection(UNREAD), asyncio.create_task(asyncio.Event().wait())
    connection.opened(task, "essex")
    connection.measure(5_000_000, 1.0)
    assert connection.unfinished > 4_000_000
    connection.dropped = True
    connection.end(Fault(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MUCH_IN_FLIGHT", "too much"))
    await asyncio.wait([task])
    del connection.calls[task]
    connection.measure(11_000_000, 2.0)
    assert connection.unfinished == 0
    connection.forget(11_000_000)
    later = asyncio.create_task(asyncio.sleep(0))
    connection.opened(later, "essex")
    connection.measure(13_000_000, 3.0)
    assert connection.unfinished > 1_900_000
    await later
