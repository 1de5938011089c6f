"""The store's log as a source."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from gantry.store.v1.log_pb2 import TailReadsResponse

from following import ReadLogSource
from reads.appended import encoded_appended


class Log:
    """Answers with two responses, and records the request."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.closed = False

    async def follow(
        self,
        force: str,
        consumer: str,
        *,
        after: int | None,
        include_images: bool,
        max_reads: int,
        canaries: bool,
    ) -> AsyncGenerator[TailReadsResponse, None]:
        self.asked.append((force, consumer, after, include_images, max_reads, canaries))
        try:
            yield TailReadsResponse(position=3, head=9)
            yield TailReadsResponse(appends=[encoded_appended(b"", [4, 6], (), 0)], position=7, head=9)
        finally:
            self.closed = True

    async def report_cursor(self, force: str, consumer: str, position: int) -> None:
        self.asked.append((force, consumer, position))


async def test_responses_become_parts() -> None:
    log = Log()
    source = ReadLogSource(log, "essex", "nas", include_images=True, max_reads=7)
    parts = [part async for part in source.follow(2)]
    assert [(part.count, part.position, part.head) for part in parts] == [(0, 3, 9), (2, 7, 9)]
    assert parts[1].items[0].last == 6
    await source.report(7)
    assert log.asked == [("essex", "nas", 2, True, 7, False), ("essex", "nas", 7)]
    assert log.closed


async def test_canaries_come_to_a_source_that_asks_for_them() -> None:
    log = Log()
    assert [part async for part in ReadLogSource(log, "essex", "match", canaries=True).follow(None)]
    assert log.asked == [("essex", "match", None, False, 5_000, True)]
