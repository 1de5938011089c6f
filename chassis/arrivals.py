"""Messages that have begun to arrive and are not whole: gRPC keeps them, up to their announced size, and
tells nobody.

The kernel counts the bytes that each connection has received, and handlers say what was delivered to them.
The difference is what gRPC holds. See docs/decisions/0016.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

import grpc

from chassis.connections import ConnectionBytes
from chassis.draining import mark_drained
from chassis.errors import Exhausted, Fault
from chassis.identity import Call

_LOOK_SECONDS: Final = 0.025
_FULL_LOOK_SECONDS: Final = 0.5
_GROWTH_BYTES: Final = 4 * 1024 * 1024
# gRPC leaves the headers of each call in a cycle, and collections are rare: see chassis.run.
_COLLECT_BYTES: Final = 32 * 1024 * 1024
# A collection holds up every call: 60 ms with 1,000 open streams. Whoever makes the process grow and shrink
# may cause few of them: they take at most one part in so many of the time.
_COLLECT_PART: Final = 20
_MEMORY: Final = Path("/proc/self/statm")
_PAGE: Final = resource.getpagesize()
# Beside its messages a client sends headers, acknowledgements of the transport, and TLS.
_CALL_BYTES: Final = 4096
_MESSAGE_BYTES: Final = 256
_HANDSHAKE_BYTES: Final = 16 * 1024
# Keep-alive: a ping over TLS has 39 bytes. An idle connection would seem to hold 64 KiB after some hours.
_BYTES_A_SECOND: Final = 16
_STALLED_BYTES: Final = 64 * 1024
_RETRY_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)
_current: ContextVar[Connection | None] = ContextVar("connection", default=None)


class Connection:
    """One connection: its calls, and the bytes that are not delivered.

    Calls of several groups may share it, as those of a gateway with the feeds of two forces. What it holds is
    the client's doing, so that it counts for each of them.
    """

    def __init__(self, unread_bytes: int) -> None:
        """A client may send `unread_bytes` of each call before they are asked for."""
        self.calls: dict[asyncio.Task[object], Fault | None] = {}
        self.groups: set[str] = set()
        self.unread_bytes = unread_bytes
        self.unfinished = 0
        self.stalled_since: float | None = None
        self.dropped = False
        self._accounted: float = _HANDSHAKE_BYTES
        self._measured_at: float | None = None
        self._moved = False

    def delivered(self, size: int) -> None:
        """A message of so many bytes was delivered."""
        self._accounted += size + _MESSAGE_BYTES
        self._moved = True

    def opened(self, task: asyncio.Task[object], group: str) -> None:
        """A call of a group was opened on it."""
        if not self.calls:
            self.groups.clear()
        self.groups.add(group)
        self.calls[task] = None
        self._accounted += _CALL_BYTES

    def forget(self, received: int) -> None:
        """No call is open: gRPC has dropped what came for those that were refused or ended early."""
        self._accounted = max(self._accounted, received)
        self.dropped = False

    def measure(self, received: int, now: float) -> None:
        """The kernel has received so many bytes since the connection began."""
        if self._measured_at is not None:
            self._accounted += (now - self._measured_at) * _BYTES_A_SECOND
        self._measured_at = now
        # What still comes for calls that have ended is dropped too.
        held = 0 if self.dropped and not self.calls else received - int(self._accounted)
        self.unfinished = max(0, held)
        # An allowance that was not used does not carry over.
        self._accounted = min(self._accounted, received)
        unread = len(self.calls) * self.unread_bytes
        if self.unfinished < unread + _STALLED_BYTES or self._moved:
            self.stalled_since = None
        elif self.stalled_since is None:
            self.stalled_since = now
        self._moved = False

    def end(self, fault: Fault) -> None:
        """End its calls with a fault. gRPC then drops what it holds for them."""
        for task in self.calls:
            self.calls[task] = fault
            task.cancel()
        self._accounted += self.unfinished
        self.unfinished = 0


def delivered(size: int) -> None:
    """Tell that a message of so many bytes was delivered to the present call."""
    connection = _current.get()
    if connection is not None:
        connection.delivered(size)


class Arrivals:
    """Watches the connections of the feeds' calls. `run` must be running.

    `judge` gets the unfinished bytes of each group, and returns the groups that hold too much. Their largest
    connections end, until each holds half. A connection that holds part of a message ends also when nothing
    was delivered on it for `seconds`.
    """

    def __init__(
        self, judge: Callable[[Mapping[str, int]], Iterable[str]], *, seconds: float, unread_bytes: int
    ) -> None:
        self._judge = judge
        self._unread_bytes = unread_bytes
        self._seconds = seconds
        self._connections: dict[str, Connection] = {}
        self._bytes = ConnectionBytes()
        self._looked_at = 0.0
        self._resident = 0
        self._collected = 0
        self._collect_from = 0.0

    @contextmanager
    def call(self, context: Call, group: str) -> Iterator[None]:
        """Watch a call of a group while the block runs. Raises the fault that ended it."""
        peer = context.peer()
        connection = self._connections.get(peer)
        if connection is None:
            connection = self._connections[peer] = Connection(self._unread_bytes)
        if connection.dropped and not connection.calls:
            connection.forget(self._bytes.received([peer]).get(peer, 0))
        task = asyncio.current_task()
        assert task is not None, "a call is served by a task"
        connection.opened(task, group)
        token = _current.set(connection)
        try:
            yield
        except Fault:
            connection.dropped = True
            raise
        except asyncio.CancelledError:
            connection.dropped = True
            fault = connection.calls[task]
            if fault is None:
                raise
            task.uncancel()
            mark_drained()
            raise fault from None
        finally:
            _current.reset(token)
            del connection.calls[task]

    async def run(self) -> None:
        """Look at the connections, without end: often when the process grows, else twice a second."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now, resident = time.monotonic(), _resident_bytes()
            if resident - self._resident < _GROWTH_BYTES and now - self._looked_at < _FULL_LOOK_SECONDS:
                continue
            self._resident, self._looked_at = resident, now
            self._collect(resident, now)
            self.look(now)

    def _collect(self, resident: int, now: float) -> None:
        """Collect what is in cycles when the process has grown since it was last done, and not too often."""
        if resident - self._collected < _COLLECT_BYTES:
            self._collected = min(self._collected or resident, resident)
            return
        if now < self._collect_from:
            return
        gc.collect()
        ended = time.monotonic()
        self._collect_from = ended + _COLLECT_PART * (ended - now)
        self._collected = _resident_bytes()

    def look(self, now: float) -> None:
        """Measure every connection, and end those that hold too much or for too long."""
        received = self._bytes.received(self._connections)
        for peer, connection in list(self._connections.items()):
            if peer in received:
                connection.measure(received[peer], now)
            elif not connection.calls:
                del self._connections[peer]
        self._end_stalled(now)
        self._end_largest()

    def _end_stalled(self, now: float) -> None:
        for connection in self._connections.values():
            since = connection.stalled_since
            if connection.calls and since is not None and now - since > self._seconds:
                self._end(connection, _late(self._seconds))

    def _end_largest(self) -> None:
        held: Counter[str] = Counter()
        for connection in self._connections.values():
            held.update(dict.fromkeys(connection.groups, connection.unfinished))
        for group in self._judge(held):
            wanted = held[group] // 2
            for connection in self._largest_of(group):
                if held[group] <= wanted:
                    break
                held.subtract(dict.fromkeys(connection.groups, connection.unfinished))
                self._end(connection, _too_much())

    def _largest_of(self, group: str) -> list[Connection]:
        of_group = [each for each in self._connections.values() if group in each.groups and each.calls]
        return sorted(of_group, key=lambda each: each.unfinished, reverse=True)

    def _end(self, connection: Connection, fault: Fault) -> None:
        about = {"forces": sorted(connection.groups), "bytes": connection.unfinished, "cause": fault.reason}
        _log.warning("the calls of a connection end: it holds parts of messages", extra=about)
        connection.end(fault)


def _resident_bytes() -> int:
    try:
        return int(_MEMORY.read_bytes().split()[1]) * _PAGE
    except OSError:
        return 0


def _late(seconds: float) -> Fault:
    return Fault(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "MESSAGE_LATE",
        f"a message on this connection began and was not whole {seconds:g} s later",
    )


def _too_much() -> Exhausted:
    return Exhausted(
        "TOO_MUCH_IN_FLIGHT",
        "too many messages have begun on this connection and are not whole; send over fewer streams at once",
        retry_after=_RETRY_SECONDS,
    )
