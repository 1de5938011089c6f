"""One vendor's stream: receives batches and sends the acknowledgements in their order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

import grpc

from chassis.arrivals import delivered
from chassis.draining import mark_drained
from chassis.errors import Fault
from services.ingest.appending.batch import PendingBatch
from services.ingest.appending.lanes import ForceAppends
from services.ingest.appending.pace import FREE_BYTES
from services.ingest.door.receiving import BatchReceiver

_log = logging.getLogger(__name__)
_NONE_YET: Final = -1
# The limit of acknowledgements that are kept for a vendor that does not read them.
_MOST_UNWRITTEN: Final = 1024 * 1024
_ACK_COST: Final = 64
# A vendor whose write meets the end of its stream sees no fault of ours. So the stream drops what still
# comes, until the vendor pauses.
_QUIET_SECONDS: Final = 0.1
_DROP_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How much of one stream may be unacknowledged before its reading pauses, and its first message."""

    reads: int
    cost: int
    flow_control: bytes
    """A serialised StreamReadsResponse with the FlowControl."""


class FeedStream:
    """Two tasks: one reads batches, the other writes acknowledgements.

    The stream ends when the vendor half-closed and everything is acknowledged, or with the fault given to
    `end`, after the acknowledgements of the batches under way. What comes meanwhile is dropped.
    """

    def __init__(
        self, context: Any, key: bytes, receiver: BatchReceiver, appends: ForceAppends, limits: StreamLimits
    ) -> None:
        self.key = key
        self.broken = False
        self._loop = asyncio.get_running_loop()
        self._context = context
        self._receiver = receiver
        self._appends = appends
        self._memory = appends.memory
        self._limits = limits
        self._pending: deque[PendingBatch] = deque()
        self._acks: deque[bytes] = deque()
        self._reads = 0
        self._cost = 0
        self._unwritten = 0
        self._received = 0
        self._half_closed = False
        self._ending: BaseException | None = None
        self._wanted_ack: asyncio.Future[None] | None = None
        self._wanted_room: asyncio.Future[None] | None = None
        self._reader: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Run the stream to its end. Raises the Fault it ends with."""
        await self._context.write(self._limits.flow_control)
        self._reader = asyncio.create_task(self._read(), name="feed stream reader")
        try:
            await self._write()
        except Fault:
            await self._drop_rest()
            raise
        finally:
            self._reader.cancel()
            # The acknowledgements of batches under way have no receiver any more.
            self._pending.clear()

    def end(self, ending: BaseException) -> None:
        """Take no more batches, acknowledge what is under way, then end with `ending`."""
        if self._ending is None:
            self._ending = ending
        _wake(self._wanted_room)
        _wake(self._wanted_ack)

    def settled(self, batch: PendingBatch) -> None:
        """A batch is settled: acknowledge every settled batch that no unsettled one precedes."""
        batch.settled = True
        self._reads -= batch.kept
        self._cost -= batch.cost
        pending = self._pending
        while pending and pending[0].settled:
            ack = pending.popleft().acknowledgement()
            self._acks.append(ack)
            self._unwritten += len(ack) + _ACK_COST
        _wake(self._wanted_ack)

    def failed(self, batch: PendingBatch, fault: Fault) -> None:  # noqa: ARG002 - the protocol names the batch
        """A batch failed. Nothing after it can be acknowledged, since acknowledgements keep the order."""
        self.broken = True
        self._pending.clear()
        self.end(fault)

    async def _write(self) -> None:
        context, acks = self._context, self._acks
        while True:
            while acks:
                ack = acks.popleft()
                await context.write(ack)
                self._unwritten -= len(ack) + _ACK_COST
            _wake(self._wanted_room)
            if not self._pending:
                if self._ending is not None:
                    raise self._ending
                if self._half_closed:
                    return
            self._wanted_ack = self._loop.create_future()
            await self._wanted_ack

    async def _drop_rest(self) -> None:
        """Wait until the vendor half-closes, pauses, or has sent for too long. The reader drops the rest."""
        assert self._reader is not None, "the stream was begun"
        mark_drained()
        ends_at = time.monotonic() + _DROP_SECONDS
        while not self._reader.done() and time.monotonic() < ends_at:
            before = self._received
            await asyncio.wait([self._reader], timeout=_QUIET_SECONDS)
            if self._received == before:
                return

    async def _read(self) -> None:
        try:
            await self._take_batches()
        except Fault as fault:
            self.end(fault)
        except Exception as error:  # noqa: BLE001 - the task that serves the call raises it
            # The batch that caused it may be pending and would never be settled.
            self._pending.clear()
            self.end(error)
        while not self._half_closed:
            self._took(await self._context.read())

    async def _take_batches(self) -> None:
        context, receiver, pending, appends = self._context, self._receiver, self._pending, self._appends
        after, expected = _NONE_YET, 0
        while True:
            if self._is_full():
                await self._wait_for_room()
            # The size of a message is known when it has been read. The one before it says what to expect.
            paced = expected if expected > FREE_BYTES else 0
            if paced:
                await appends.pace.take(appends.force, paced)
            data = await context.read()
            if not self._took(data):
                return
            expected = len(data)
            appends.pace.count(appends.force, expected - paced)
            if not appends.try_turn(expected):
                await appends.turn(self.key, expected)
            if self._ending is not None:
                return
            appends.check()
            batch = receiver.stream_batch(self, self.key, data, after)
            after = batch.sequence
            pending.append(batch)
            self._reads += batch.kept
            self._cost += batch.cost
            appends.put(batch)

    def _took(self, data: Any) -> bool:
        """Whether this is a message, which is counted, and not the end of them."""
        if data is grpc.aio.EOF:
            self._half_closed = True
            _wake(self._wanted_ack)
            return False
        self._received += 1
        delivered(len(data))
        return True

    def _is_full(self) -> bool:
        limits = self._limits
        return (
            self._reads >= limits.reads
            or self._cost >= limits.cost
            or self._unwritten >= _MOST_UNWRITTEN
            or self._memory.full
        )

    async def _wait_for_room(self) -> None:
        """While nothing is read, HTTP/2's flow control stops the vendor from sending."""
        while self._ending is None and self._is_full():
            self._wanted_room = self._memory.waiter() if self._memory.full else self._loop.create_future()
            await self._wanted_room


def _wake(wanted: asyncio.Future[None] | None) -> None:
    if wanted is not None and not wanted.done():
        wanted.set_result(None)
