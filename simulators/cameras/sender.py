"""Send a run through the vendors' SDK: a stream for each feed, every batch when it is due."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from time import time_ns

from gantry_sdk import Connection, FeedRefused, ReadStream, StreamLimits
from opentelemetry.context import Context

from chassis.telemetry import tracer
from chassis.traceparent import render
from simulators.cameras.batches import Batch, FeedKey, Schedule
from simulators.cameras.names import SpanName
from simulators.cameras.report import Report

SLOT_SECONDS = 0.025
# Batches that wait for a feed whose stream is held up; beyond it the whole run falls behind its schedule.
_WAITING_BATCHES = 200
_LIMITS = StreamLimits(unacknowledged_reads=5_000, unacknowledged_bytes=8 * 1024 * 1024)


class SendError(Exception):
    """Ingest does not take what a feed sends; the text names the feed and the reason."""


class Feeds:
    """Open streams, one for each feed. Get it from `open_feeds`."""

    def __init__(self, streams: Mapping[FeedKey, ReadStream], report: Report) -> None:
        self._streams = streams
        self._report = report

    async def connected(self, seconds: float) -> None:
        """Wait a limited time for all streams: cameras see also without a connection. Raises SendError."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for key, stream in self._streams.items():
                    with _naming(key):
                        await stream.wait_connected()

    async def send(self, schedule: Schedule, begin: float, stopping: asyncio.Event) -> None:
        """Send everything when it is due, until the end or a signal. Raises SendError.

        `begin` is the start of the run on the event loop's clock. Sets `stopping` when no more reads come.
        """
        queues = {key: asyncio.Queue[Batch | None](_WAITING_BATCHES) for key in self._streams}
        try:
            async with asyncio.TaskGroup() as tasks:
                for key, queue in queues.items():
                    tasks.create_task(self._send_feed(key, queue), name=f"feed {key[0]}/{key[1]}")
                await _dispatch(schedule, begin, stopping, queues)
                stopping.set()
                for queue in queues.values():
                    await queue.put(None)
        except ExceptionGroup as failed:
            # All feeds fail for the same reason, so that the first one's is enough.
            raise failed.exceptions[0] from None

    async def _send_feed(self, key: FeedKey, queue: asyncio.Queue[Batch | None]) -> None:
        stream = self._streams[key]
        while (batch := await queue.get()) is not None:
            size = {"reads": len(batch.sent)}
            batch.span = tracer().start_span(SpanName.CAMERA_SEND, Context(), attributes=size)
            context = batch.span.get_span_context()
            trace = render(context) if context.trace_flags.sampled else ""
            self._report.note_sent(batch, time_ns() // 1000)
            with _naming(key):
                await stream.send(batch.prepared, tag=batch, traceparent=trace)


@asynccontextmanager
async def open_feeds(
    connection: Connection, tokens: Mapping[FeedKey, str], report: Report
) -> AsyncIterator[Feeds]:
    """Open a stream for each token; leaving waits until all that was sent is acknowledged."""
    async with AsyncExitStack() as opened:
        streams = {}
        for key, token in tokens.items():
            stream = connection.feed(token, limits=_LIMITS).stream(report.note_receipt)
            streams[key] = await opened.enter_async_context(stream)
        yield Feeds(streams, report)


async def _dispatch(
    schedule: Schedule,
    begin: float,
    stopping: asyncio.Event,
    queues: Mapping[FeedKey, asyncio.Queue[Batch | None]],
) -> None:
    slot = 1
    coming = asyncio.create_task(asyncio.to_thread(schedule.take, SLOT_SECONDS))
    while not stopping.is_set():
        batches, done = await coming, schedule.done
        if not done:
            # Pictures are drawn while the batches of the slot before are sent.
            coming = asyncio.create_task(asyncio.to_thread(schedule.take, (slot + 1) * SLOT_SECONDS))
        await _until(begin + slot * SLOT_SECONDS, stopping)
        for batch in batches:
            await queues[batch.feed].put(batch)
        if done:
            return
        slot += 1
    await coming


async def _until(moment: float, stopping: asyncio.Event) -> None:
    """Wait for a moment on the event loop's clock, or for the signal to stop."""
    wait = moment - asyncio.get_running_loop().time()
    if wait > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), wait)


@contextmanager
def _naming(key: FeedKey) -> Iterator[None]:
    try:
        yield
    except FeedRefused as refused:
        raise SendError(f"ingest refuses feed {key[1]} of {key[0]}: {refused}") from refused
