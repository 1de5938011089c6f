"""The logs that a line can follow: any log whose items have ascending positions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Item(Protocol):
    """An element of a log, which is never split: for reads an append, `reads.appended.Appended`."""

    @property
    def count(self) -> int:
        """How many reads it holds."""

    @property
    def last(self) -> int:
        """Position of its last read."""

    @property
    def encoded(self) -> bytes:
        """Its content; the length counts towards `GatherLimits.most_bytes`."""


I = TypeVar("I", bound=Item)  # noqa: E741
I_co = TypeVar("I_co", bound=Item, covariant=True)


@dataclass(frozen=True, slots=True)
class Part(Generic[I_co]):
    """A part of a log: its items in order, perhaps none, and the position up to which it reaches.

    `head` is the log's last position as far as it is known.
    """

    items: Sequence[I_co]
    position: int
    head: int

    @property
    def count(self) -> int:
        """How many reads there are."""
        return sum(item.count for item in self.items)


class Source(Protocol[I_co]):
    """An ordered log. `ReadLogSource` is the store's log of reads."""

    def follow(self, after: int | None) -> AsyncGenerator[Part[I_co], None]:
        """The log after a position (None: from its oldest item), then new items as they come.

        Yields a part without items at least every 5 seconds. Raises Fault; OutOfRange POSITION_PURGED
        (metadata first_position) and POSITION_AHEAD (metadata head) when the position is not in the log.
        """

    async def report(self, position: int) -> None:
        """Report that everything up to `position` is durably processed. Raises Fault."""
