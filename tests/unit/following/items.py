"""Items and sources without a log."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from following import Part


@dataclass(frozen=True)
class Item:
    """`count` reads, the last at position `last`, in `size` bytes."""

    last: int
    count: int = 1
    size: int = 10

    @property
    def encoded(self) -> bytes:
        return bytes(self.size)


Step = Part[Item] | BaseException


class Script:
    """Answers each `follow` with the next list of parts; exceptions in it are raised."""

    def __init__(self, *answers: Sequence[Step]) -> None:
        self.answers = list(answers)
        self.asked: list[int | None] = []
        self.closed = 0

    async def follow(self, after: int | None) -> AsyncGenerator[Part[Item], None]:
        self.asked.append(after)
        try:
            for answer in self.answers.pop(0):
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
        finally:
            self.closed += 1

    async def report(self, position: int) -> None:
        raise AssertionError("nothing is reported here")


def reads(first: int, last: int, head: int | None = None) -> Part[Item]:
    """A part with one item a read."""
    return Part([Item(position) for position in range(first, last + 1)], last, head or last)
