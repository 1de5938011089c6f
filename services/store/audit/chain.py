"""The audit trail's hash chain: each record carries a hash of itself and of the record before it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Final

START: Final = bytes(32)
"""What stands for the hash before the first record."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A record without its hash. `number` counts from 1 in the chain of `force`."""

    force: str
    number: int
    recorded_at_us: int
    service: str
    person: str
    action: int
    reason: str
    reference: str
    subject: str


def chained(before: bytes, entry: AuditEntry) -> bytes:
    """The hash of `entry` after a record with the hash `before`."""
    digest = hashlib.sha256(before)
    for value in astuple(entry):
        text = str(value).encode()
        # With its length before it, no text can be taken for the end of one and the start of another.
        digest.update(len(text).to_bytes(4, "big") + text)
    return digest.digest()


@dataclass(slots=True)
class ChainCheck:
    """Walks a chain from its start."""

    checked: int = 0
    hash: bytes = START

    def holds(self, entries: Iterable[tuple[AuditEntry, bytes]]) -> bool:
        """Whether the next entries continue the chain; stops behind the last one that does."""
        for entry, claimed in entries:
            if entry.number != self.checked + 1 or chained(self.hash, entry) != claimed:
                return False
            self.checked, self.hash = entry.number, claimed
        return True

    def ends_at(self, number: int, claimed: bytes) -> bool:
        """Whether the chain was walked to its recorded end: that nothing is missing there."""
        return number == self.checked and claimed == self.hash
