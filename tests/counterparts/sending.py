"""Sends reads through the door while something is wrong behind it."""

from chassis.errors import Unavailable
from suite.suite import Suite
from tests.e2e.door import EnrolledFeed, ReadMaker, public_channel, submit_reads
from tests.e2e.outcome import Identity, arrived
from tests.e2e.waiting import eventually


async def sent(suite: Suite, feed: EnrolledFeed, count: int = 20, **details: object) -> list[Identity]:
    """Send reads that are accepted; their identities."""
    maker = ReadMaker(feed)
    reads = [maker.one("AB12CDE", **details) for _ in range(count)]
    async with public_channel(suite) as channel:
        answer = await submit_reads(channel, feed.token, reads)
    assert answer.ack.accepted == count, answer
    return [(feed.force, read.camera_id, read.captured_at.ToMicroseconds(), read.read_id) for read in reads]


async def delivered(suite: Suite, feed: EnrolledFeed) -> None:
    """Send reads and wait until both national services have them.

    They are sent again while the door refuses all reads of the force: a canary may have met a store that was
    away.
    """

    async def taken() -> list[Identity]:
        try:
            return await sent(suite, feed)
        except Unavailable:
            return []

    await arrived(suite, await eventually(taken, within=30, what="the door takes reads"), within=120)
