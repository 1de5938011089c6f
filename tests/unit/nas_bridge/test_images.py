"""A destination that gets plate patches gets no overviews, and everything else stays."""

from collections.abc import AsyncGenerator

from following import Part
from reads.appended import Appended
from services.nas_bridge.forwarding.images import WithoutOverviews
from tests.unit.nas_bridge.reads import encoded, make_append, make_columns

PICTURES = make_columns(["r1", "r3"], plate_patches=[b"p", b""], overviews=[b"o", b"o"])


class OnePart:
    """A log of one part."""

    def __init__(self) -> None:
        self.reported: list[int] = []

    async def follow(self, after: int | None) -> AsyncGenerator[Part[Appended], None]:
        yield Part([Appended(encoded(PICTURES, [1, 3], "t")), make_append(4, 2)], 6, 9)

    async def report(self, position: int) -> None:
        self.reported.append(position)


async def test_overviews_are_removed_and_nothing_else() -> None:
    log = OnePart()
    source = WithoutOverviews(log)
    (part,) = [part async for part in source.follow(None)]
    first, second = part.items
    assert (part.position, part.head) == (6, 9)
    assert (list(first.columns.plate_patches), list(first.columns.overviews)) == ([b"p", b""], [])
    assert (first.positions, first.traceparent, first.received_at_us) == ((1, 3), "t", 7)
    assert first.columns.read_ids == PICTURES.read_ids
    assert second.encoded == make_append(4, 2).encoded
    await source.report(6)
    assert log.reported == [6]
