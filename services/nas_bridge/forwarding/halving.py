"""Cuts a part of the log between any two reads.

This finds the read because of which a submission is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from following import Part
from reads.appended import Appended


def halves(part: Part[Appended]) -> tuple[Part[Appended], Part[Appended]]:
    """The first and the second half of a part of at least two reads."""
    middle = part.count // 2
    first, second = _cut(part, 0, middle), _cut(part, middle, part.count)
    return Part(first, first[-1].last, part.head), Part(second, part.position, part.head)


def rest_after(part: Part[Appended], position: int) -> Part[Appended]:
    """The reads of the part after a position."""
    if position < part.items[0].first:
        return part
    done = sum(each <= position for item in part.items for each in item.positions)
    return Part(_cut(part, done, part.count), part.position, part.head)


def _cut(part: Part[Appended], start: int, stop: int) -> list[Appended]:
    """The reads from index `start` up to but not including `stop`, counted through all items."""
    return list(_slices(part, start, stop))


def _slices(part: Part[Appended], start: int, stop: int) -> Iterator[Appended]:
    for item in part.items:
        first, last = max(start, 0), min(stop, item.count)
        if first < last:
            yield item.sliced(first, last)
        start, stop = start - item.count, stop - item.count
