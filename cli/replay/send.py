"""Send a file over streams: parse, pace, batch, and count what ingest answers."""

import asyncio
import time
from array import array
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Final

from gantry.ingest.v1.ingest_pb2 import SubmittedRead
from gantry_sdk import Connection, ReadStream, Receipt, reason_name

from cli.exits import CliError, Exit
from cli.replay.feeds import why_no_id
from cli.replay.messages import builder
from cli.replay.pace import Pace
from cli.replay.source import ReadFile
from cli.replay.tally import Tally
from cli.replay.times import Clock
from tables.faults import RowError

BATCH_READS: Final = 500
STREAMS_A_FEED: Final = 4
_PATIENCE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 1.0
_BUFFER_SECONDS: Final = 7 * 86_400
_LINES_A_TURN: Final = 500
_NOT_YOURS: Final = "is not one of your forces; when it is one under another code, say --force-map OLD=NEW"


@dataclass
class Lane:
    """One stream, and the reads that gather for its next batch."""

    stream: ReadStream
    reads: list[SubmittedRead] = field(default_factory=list)
    lines: "array[int]" = field(default_factory=lambda: array("Q"))

    async def flush(self) -> None:
        """Send the gathered reads."""
        if self.reads:
            reads, lines = self.reads, self.lines
            self.reads, self.lines = [], array("Q")
            await self.stream.send(reads, tag=lines)


@dataclass
class Job:
    """The file to send and how. `progress` is called now and then, `stop` ends the reading of the file."""

    file: ReadFile
    clock: Clock
    tokens: Mapping[tuple[str, str], str]
    speed: float | None
    tally: Tally
    progress: Callable[[], None] = lambda: None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    forces: Mapping[str, str] = field(default_factory=dict)
    percent: bool = False
    joined: bool = False


async def send_file(connection: Connection, job: Job) -> None:
    """Send every line and wait for every answer. CliError when ingest stays away."""
    async with AsyncExitStack() as stack:
        lanes = await _open_lanes(connection, job, stack)
        unique = list({id(lane): lane for lane in lanes.values()}.values())
        sending = asyncio.create_task(_send_lines(job, lanes, unique), name="replay")
        watching = asyncio.create_task(_watch(job, unique), name="replay watch")
        try:
            await asyncio.wait({sending, watching}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                await watching
            await sending
        finally:
            sending.cancel()
            watching.cancel()
            await asyncio.gather(sending, watching, return_exceptions=True)


async def _open_lanes(connection: Connection, job: Job, stack: AsyncExitStack) -> dict[tuple[str, str], Lane]:
    """A lane for every camera: all reads of one go over one stream, so that their order holds."""
    by_token: dict[str, list[tuple[str, str]]] = {}
    for camera, token in job.tokens.items():
        by_token.setdefault(token, []).append(camera)
    lanes: dict[tuple[str, str], Lane] = {}
    for token, cameras in by_token.items():
        feed = connection.feed(token)
        streams = [
            await stack.enter_async_context(feed.stream(lambda receipt: count_receipt(job.tally, receipt)))
            for _ in range(min(STREAMS_A_FEED, len(cameras)))
        ]
        shared = [Lane(stream) for stream in streams]
        lanes |= {camera: shared[index % len(shared)] for index, camera in enumerate(cameras)}
    return lanes


async def _send_lines(job: Job, lanes: Mapping[tuple[str, str], Lane], unique: list[Lane]) -> None:
    await _read_and_send(job, lanes, unique)
    job.tally.cut = job.file.cut
    job.tally.left_out = job.file.table.furniture
    for lane in unique:
        await lane.flush()
    for lane in unique:
        await lane.stream.drain()
    job.progress()


async def _read_and_send(job: Job, lanes: Mapping[tuple[str, str], Lane], unique: list[Lane]) -> None:
    build, tally = builder(job.clock, job.forces, percent=job.percent, joined=job.joined), job.tally
    pace = Pace(job.speed) if job.speed is not None else None
    oldest = (time.time() - _BUFFER_SECONDS) * 1_000_000
    for count, (number, line, values) in enumerate(job.file.rows(), 1):
        if not count % _LINES_A_TURN:
            await asyncio.sleep(0)  # let the event loop take receipts, which wait while lines are parsed
            job.progress()
        if job.stop.is_set():
            return
        tally.lines += 1
        try:
            if isinstance(values, RowError):
                raise values
            force, camera, moment, read = build(line, values)
        except RowError as broken:
            tally.break_line(number, broken.column, broken.message)
            continue
        lane = lanes.get((force, camera))
        if lane is None:
            tally.break_line(number, "force", _NOT_YOURS)
            continue
        tally.old += moment < oldest
        if why := why_no_id(camera):
            tally.note_odd_id(number, why)
        if pace is not None and (wait := pace.wait_for(moment)) > 0:
            await _wait(job, unique, wait)
        lane.reads.append(read)
        lane.lines.append(number)
        tally.sent += 1
        if len(lane.reads) >= BATCH_READS:
            await lane.flush()


async def _wait(job: Job, lanes: list[Lane], seconds: float) -> None:
    """Wait until the next read is due. Reads that are due already are sent before."""
    for lane in lanes:
        await lane.flush()
    job.progress()
    with suppress(TimeoutError):
        await asyncio.wait_for(job.stop.wait(), seconds)


async def _watch(job: Job, lanes: list[Lane]) -> None:
    """Stop when reads wait and no answer has come for a minute."""
    answered, since = job.tally.answered, time.monotonic()
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        waiting = any(lane.stream.unacknowledged_reads for lane in lanes)
        if not waiting or job.tally.answered != answered:
            answered, since = job.tally.answered, time.monotonic()
        elif time.monotonic() - since > _PATIENCE_SECONDS:
            raise CliError(
                f"ingest has not answered for {_PATIENCE_SECONDS:.0f} seconds: see `gantry status`, then "
                f"{job.clock.again}; what is stored counts as duplicate",
                Exit.UNREACHABLE,
            )


def count_receipt(tally: Tally, receipt: Receipt) -> None:
    """Take ingest's verdict on a batch into account; its tag is the batch's line numbers."""
    tally.accepted += receipt.accepted
    tally.duplicate += receipt.duplicate
    lines = receipt.tag
    assert isinstance(lines, array), "every batch is sent with its line numbers"
    for rejection in receipt.rejections:
        tally.reject(
            lines[receipt.offset + rejection.index],
            reason_name(rejection),
            rejection.field,
            rejection.message,
        )
    for warning in receipt.warnings:
        tally.warn(
            lines[receipt.offset + warning.index], reason_name(warning), warning.field, warning.message
        )
