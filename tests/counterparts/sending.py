"""Sends reads through the door while something is wrong behind it."""

from suite.suite import Suite
from tests.e2e.door import EnrolledFeed, ReadMaker, public_channel, submit_reads
from tests.e2e.outcome import Identity, arrived


async def sent(suite: Suite, feed: EnrolledFeed, count: int = 20, **details: object) -> list[Identity]:
    """Send reads that are accepted; their identities."""
    maker = ReadMaker(feed)
    reads = [maker.one("AB12CDE", **details) for _ in range(count)]
    async with public_channel(suite) as channel:
        answer = await submit_reads(channel, feed.token, reads)
    assert answer.ack.accepted == count, answer
    return [(feed.force, read.camera_id, read.captured_at.ToMicroseconds(), read.read_id) for read in reads]


async def delivered(suite: Suite, feed: EnrolledFeed) -> None:
    """Send reads and wait until both national services have them."""
    await arrived(suite, await sent(suite, feed), within=120)
