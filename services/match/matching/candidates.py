"""From reads to alerts: candidates by the index, then the comparison with the entries themselves."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from anpr.confusable import Keys, folded_keys
from anpr.vrm import is_normal
from reads.appended import Appended
from reads.read import ReadIdentity, identity_at
from services.match.index.segments import Index
from services.match.matching.merging import Merged


@dataclass(frozen=True, slots=True)
class Candidate:
    """A read whose folded key is in the index: element `index` of an append."""

    folded_key: int
    appended: Appended
    index: int

    @property
    def vrm(self) -> str:
        """The plate as read."""
        return self.appended.columns.vrms[self.index]

    @property
    def position(self) -> int:
        """Its position in the log."""
        return self.appended.positions[self.index]

    @property
    def identity(self) -> ReadIdentity:
        """Its identity within its force."""
        return identity_at(self.appended.columns, self.index)


@dataclass(frozen=True, slots=True)
class Hit:
    """A read and the entries of a plate. Near: equal only when confusable characters count as equal."""

    candidate: Candidate
    entry: Merged
    near: bool


def find_candidates(index: Index, appends: Sequence[Appended]) -> list[Candidate]:
    """The reads whose folded keys are in the index, in the order of the log."""
    if not index.segments:
        return []
    vrms = [vrm for appended in appends for vrm in appended.columns.vrms]
    keys, all_normal = _keys(vrms)
    rows = index.find(keys).tolist()
    if not rows:
        return []
    starts = [0, *accumulate(appended.count for appended in appends)]
    found = []
    for row in rows:
        number = bisect_right(starts, row) - 1
        if all_normal or is_normal(vrms[row]):
            found.append(Candidate(int(keys[row]), appends[number], row - starts[number]))
    return found


def match(candidates: Iterable[Candidate], entries: Iterable[Merged]) -> list[Hit]:
    """What the candidates hit: each (read, hotlist, plate) once, in the order of the log."""
    by_key: dict[int, list[Merged]] = defaultdict(list)
    for entry in entries:
        by_key[entry.folded_key].append(entry)
    hits: dict[tuple[object, ...], Hit] = {}
    for candidate in candidates:
        for entry in by_key.get(candidate.folded_key, ()):
            near = entry.vrm != candidate.vrm
            if entry.near_matches or not near:
                # A read can be in the log twice.
                key = (candidate.identity, entry.hotlist_no, entry.vrm)
                hits.setdefault(key, Hit(candidate, entry, near))
    return list(hits.values())


def _keys(vrms: list[str]) -> tuple[Keys, bool]:
    """Folded keys, and whether every plate is normalised. One that is not must match nothing."""
    try:
        return folded_keys(vrms), True
    except ValueError:
        return folded_keys([vrm if is_normal(vrm) else "0" for vrm in vrms]), False
