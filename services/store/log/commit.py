"""The appends of a force that one transaction commits, and their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reads.appended import encoded_appended
from reads.columns import picked
from services.store.days import US_A_DAY
from services.store.images.packing import EntryImages
from services.store.log.checked import CheckedReads
from services.store.log.ring import LogEntry


@dataclass(frozen=True, slots=True)
class AppendResult:
    """The result of one request. `last_position` is 0 when all were duplicates.

    `differing_indexes` are those of the duplicates that are not equal to the stored read.
    """

    duplicate_indexes: Sequence[int]
    last_position: int
    differing_indexes: Sequence[int] = ()


@dataclass(slots=True, eq=False)
class Commit:
    """The appends of one transaction.

    `appends`, `image_objects` and `image_refs` have one element an append. An element of `image_refs` has one
    reference a read, or is empty.
    """

    force: str
    received_at_us: int
    appends: list[CheckedReads] = field(default_factory=list)
    image_objects: list[int] = field(default_factory=list)
    image_refs: list[Sequence[bytes]] = field(default_factory=list)

    @property
    def canary(self) -> CheckedReads | None:
        """The canary, which commits alone; None for a commit of reads."""
        return self.appends[0] if self.appends[0].canary else None


@dataclass(frozen=True, slots=True)
class CommitResult:
    """The head before and after, and the positions that were stored; None when all of them were.

    `differing` are the positions that duplicates would have got which are not equal to the stored read.
    """

    head_before: int
    head: int
    stored: Sequence[int] | None
    differing: Sequence[int] = ()


def results_of(commit: Commit, result: CommitResult) -> tuple[list[AppendResult], list[LogEntry]]:
    """The result of each append, and the new entries of the log."""
    results: list[AppendResult] = []
    entries: list[LogEntry] = []
    stored = None if result.stored is None else frozenset(result.stored)
    first, after = result.head_before + 1, result.head_before
    for index, append in enumerate(commit.appends):
        positions = range(first, first + append.count)
        first += append.count
        new = _new(positions, stored)
        duplicates = () if new is None else sorted(frozenset(range(append.count)).difference(new))
        differing = sorted(position - positions[0] for position in result.differing if position in positions)
        if len(duplicates) == append.count:
            results.append(AppendResult(duplicates, 0, differing))
            continue
        entries.append(_entry(commit, index, positions, new, after))
        after = entries[-1].last
        results.append(AppendResult(duplicates, after, differing))
    return results, entries


def _new(positions: range, stored: frozenset[int] | None) -> Sequence[int] | None:
    """Indexes of the reads that were stored; None when all of them were."""
    if stored is None:
        return None
    new = [index for index, position in enumerate(positions) if position in stored]
    return None if len(new) == len(positions) else new


def _entry(
    commit: Commit, index: int, positions: Sequence[int], new: Sequence[int] | None, after: int
) -> LogEntry:
    """The entry of one append for followers: the reads at the indexes `new`, or all of them."""
    append, refs = commit.appends[index], commit.image_refs[index]
    columns, encoded, base = append.columns, append.serialised(), positions[0]
    if new is not None:
        columns = picked(columns, new)
        encoded, positions = columns.SerializeToString(), [positions[at] for at in new]
        refs = [refs[at] for at in new] if refs else ()
    images = None
    if any(refs):
        days = [us // US_A_DAY for us in columns.captured_at_us]
        images = EntryImages(commit.image_objects[index], days, refs)
    traced = [each.shifted(base) for each in append.traced]
    body = encoded_appended(encoded, positions, traced, commit.received_at_us, canary=append.canary)
    reads = 0 if append.canary else len(positions)
    return LogEntry(after, positions[-1], reads, body, commit.received_at_us, images, append.canary)
