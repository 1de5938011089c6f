"""Which base copy leads to a time, over which WAL, and up to where the archive reaches."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyrage

from suite.backup.archive import Archive
from suite.backup.base import Base, bases
from suite.backup.lsn import Path, Segment, missing, path_to
from suite.backup.wal import Archived, archived
from suite.errors import SuiteError


@dataclass(frozen=True)
class Chain:
    """A base copy and the WAL after it: up to the segment with the number `last`; -1 without WAL.

    `gap` is the first missing segment before later ones.
    """

    base: Base
    last: int
    gap: Segment | None

    @property
    def whole(self) -> bool:
        """Whether nothing is missing between the copy and the end of the archive."""
        return self.gap is None


def way(found: Archived, identities: Sequence[pyrage.x25519.Identity] | None) -> Path:
    """The way to the newest timeline. Without identities its ancestors cannot be read, and are left out."""
    newest = max([1, *found.histories])
    if newest == 1 or identities is None:
        return Path(max((segment.timeline for segment in found.segments), default=1))
    text = io.BytesIO()
    found.histories[newest].open_into(text, identities)
    return path_to(newest, text.getvalue().decode())


def chains(archive: Archive, identities: Sequence[pyrage.x25519.Identity] | None = None) -> list[Chain]:
    """Each base copy on the way to the newest timeline, oldest first, with the WAL after it."""
    found = archived(archive)
    path = way(found, identities)
    told = []
    for base in bases(archive):
        if path.holds(base.timeline, base.end):
            last, gap = missing(path, base.start, found.whole, found.parts)
            told.append(Chain(base, last, gap))
    return told


def chosen(archive: Archive, identities: Sequence[pyrage.x25519.Identity], at: datetime | None) -> Chain:
    """The newest base copy from which a time can be reached; None: the newest state. SuiteError for none."""
    found = chains(archive, identities)
    if not found:
        raise SuiteError(f"{archive.folder} holds no base copy: there is nothing to restore")
    reach = complete_to(archive)
    if at is None:
        return _without_gap(found[-1])
    if reach is None or at > reach:
        until = "there is no archived WAL" if reach is None else f"it reaches until {reach.isoformat()}"
        raise SuiteError(
            f"the archive does not reach {at.isoformat()}: {until}. Leave out --at for the newest"
        )
    earlier = [chain for chain in found if chain.base.ended_at <= at]
    if not earlier:
        raise SuiteError(
            f"{at.isoformat()} is before the oldest base copy, which ended at "
            f"{found[0].base.ended_at.isoformat()}"
        )
    return earlier[-1]


def _without_gap(chain: Chain) -> Chain:
    if chain.gap is not None:
        raise SuiteError(
            f"WAL is missing after the base copy {chain.base.name} ({chain.gap.name}), so the newest state "
            "cannot be reached. `gantry restore --at TIME` reaches times before the gap"
        )
    return chain


def complete_to(archive: Archive) -> datetime | None:
    """Everything that was committed before this time is in the archive; None when that is not known."""
    told = archive.noted("reach.json").get("complete_to")
    return None if told is None else datetime.fromisoformat(told)
