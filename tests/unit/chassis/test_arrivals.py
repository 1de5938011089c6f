"""What a connection holds, from the bytes that it has received: keep-alive is no message that has begun."""

from chassis.arrivals import Connection

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
