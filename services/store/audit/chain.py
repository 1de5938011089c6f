"""The hash chain of the audit trail: each record carries a hash of itself and of the record before it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Final

START: Final = bytes(32)
"""Takes the place of the hash before the first record."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A record without its hash, in the order in which the fields are hashed.

    `number` counts from 1 in the chain of `force`. The fields from `code` to `approval_id` are the purpose.
    """

    force: str
    number: int
    recorded_at_us: int
    service: str
    person: str
    action: int
    code: str
    reference: str
    justification: str
    approval_id: str
    subject: str


HashedEntry = tuple[AuditEntry, bytes]
"""A record, and the hash that it carries."""


def chained(before: bytes, entry: AuditEntry) -> bytes:
    """The hash of `entry` after a record with the hash `before`."""
    digest = hashlib.sha256(before)
    for value in astuple(entry):
        text = str(value).encode()
        # With the length of each text, moving a character from one field to the next changes the hash.
        digest.update(len(text).to_bytes(4, "big") + text)
    return digest.digest()


@dataclass(slots=True)
class ChainCheck:
    """Checks a chain record by record from its start."""

    checked: int = 0
    hash: bytes = START

    def holds(self, entries: Iterable[HashedEntry]) -> bool:
        """Whether the next entries continue the chain. Stops after the last one that does."""
        for entry, claimed in entries:
            if entry.number != self.checked + 1 or chained(self.hash, entry) != claimed:
                return False
            self.checked, self.hash = entry.number, claimed
        return True

    def ends_at(self, number: int, claimed: bytes) -> bool:
        """Whether the checked part reaches the recorded end, so that no record is missing there."""
        return (self.checked, self.hash) == (number, claimed)
