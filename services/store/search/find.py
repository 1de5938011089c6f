"""Finds a plate page by page, and the port to the reads in the buffer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gantry.store.v1.search_pb2 import StoredRead

END_OF_TIME_US: Final = 2**63 - 1

Place = tuple[int, int, int]
"""captured_at_us, force_no and position of a read: search results descend in this order."""

TOP: Final[Place] = (END_OF_TIME_US, 2**15 - 1, 2**63 - 1)
"""A place above every read."""


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Where the images of a read are: in the object `key`, the plate patch first, then the overview."""

    key: str
    offset: int
    patch_bytes: int
    overview_bytes: int


@dataclass(frozen=True, slots=True)
class Found:
    """A stored read, its place in the order of results, and its images."""

    read: StoredRead
    place: Place
    image: ImagePlace


@dataclass(frozen=True, slots=True)
class PlateQuery:
    """A normalised plate, captured at or after `from_us` and before `to_us`."""

    forces: tuple[str, ...]
    vrm: str
    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class Page:
    """Reads in the order of results, and whether more reads follow."""

    found: Sequence[Found]
    more: bool


@dataclass(frozen=True, slots=True)
class Named:
    """Reads with one identifier, newest first, and how many there are in all."""

    found: Sequence[Found]
    count: int


class BufferedReads(Protocol):
    """The reads of the named forces, and of no other. Each method raises NotFound FORCE_UNKNOWN."""

    async def search(self, query: PlateQuery, below: Place, rows: int) -> Sequence[Found]:
        """Up to `rows` reads below a place, newest first."""

    async def at(self, force: str, position: int) -> Found | None:
        """The read at a position."""

    async def named(self, force: str, read_id: str, camera_id: str, rows: int) -> Named:
        """Up to `rows` reads with a vendor's identifier, of one camera if `camera_id` names it."""


class Images(Protocol):
    """The images of reads."""

    async def get(self, key: str, start: int, length: int) -> bytes | None:
        """Part of an object; None when the object does not exist. Raises Unavailable IMAGES_UNAVAILABLE."""


async def pages(
    reads: BufferedReads, query: PlateQuery, below: Place, page_rows: int, most_reads: int
) -> AsyncGenerator[Page, None]:
    """Pages of up to `page_rows` reads below a place, at least one page, until there are no more.

    Ends earlier when `most_reads` were found; 0 sets no such limit. Each page is one transaction.
    """
    left = most_reads
    while True:
        rows = min(page_rows, left) if left else page_rows
        # One row more than the page holds tells whether another page follows.
        found = await reads.search(query, below, rows + 1)
        page = Page(found[:rows], more=len(found) > rows)
        yield page
        left -= len(page.found) if left else 0
        if not page.more or (most_reads and not left):
            return
        below = page.found[-1].place
