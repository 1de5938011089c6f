"""The appends of a force that are committed together, and what becomes of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.store.days import US_A_DAY
from services.store.log.columns import Append, kept
from services.store.log.ring import Batch, BatchImages
from services.store.log.wire import read_batch


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of one request's reads. `last_position` is 0 when all were duplicates."""

    duplicate_indexes: Sequence[int]
    last_position: int


@dataclass(slots=True, eq=False)
class ForceGroup:
    """One force's part of a commit. Lists have one element an append; one of `image_refs` may be empty."""

    force: str
    received_at_us: int
    appends: list[Append] = field(default_factory=list)
    image_objects: list[int] = field(default_factory=list)
    image_refs: list[Sequence[bytes]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The head before and after, and the positions that were stored; None when all of them were."""

    head_before: int
    head: int
    stored: Sequence[int] | None


def settled(
    group: ForceGroup, bodies: Sequence[bytes], outcome: Outcome
) -> tuple[list[Appended], list[Batch]]:
    """What each append is told, and the batches that followers get. `bodies` are the columns, serialised."""
    appended: list[Appended] = []
    batches: list[Batch] = []
    stored = None if outcome.stored is None else frozenset(outcome.stored)
    first, after = outcome.head_before + 1, outcome.head_before
    for index, append in enumerate(group.appends):
        positions = range(first, first + append.count)
        first += append.count
        share = _Share(group, index, positions, () if stored is None else _missing(positions, stored))
        if len(share.duplicates) < append.count:
            batches.append(share.batch(bodies[index], after))
            after = batches[-1].last
            appended.append(Appended(share.duplicates, after))
        else:
            appended.append(Appended(share.duplicates, 0))
    return appended, batches


@dataclass(frozen=True, slots=True)
class _Share:
    """One append's positions in the outcome of its group."""

    group: ForceGroup
    index: int
    positions: range
    duplicates: Sequence[int]

    def batch(self, body: bytes, after: int) -> Batch:
        """What followers get: the reads that are new."""
        append, refs = self.group.appends[self.index], self.group.image_refs[self.index]
        columns = append.columns
        positions: Sequence[int] = self.positions
        if self.duplicates:
            new = sorted(frozenset(range(append.count)).difference(self.duplicates))
            columns = kept(columns, new)
            body, positions = columns.SerializeToString(), [self.positions[place] for place in new]
            refs = [refs[place] for place in new] if refs else ()
        images = None
        if any(refs):
            days = [us // US_A_DAY for us in columns.captured_at_us]
            images = BatchImages(self.group.image_objects[self.index], days, refs)
        framed = read_batch(body, positions, append.traceparent, self.group.received_at_us)
        return Batch(after, positions[-1], len(positions), framed, self.group.received_at_us, images)


def _missing(positions: range, stored: frozenset[int]) -> Sequence[int]:
    return [place for place, position in enumerate(positions) if position not in stored]
