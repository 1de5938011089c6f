"""Receipts and dead letters, and the port to the stored ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class DeadLetter:
    """A read that a destination refused for good."""

    position: int
    camera_id: str
    read_id: str
    captured_at: datetime
    reason: str
    message: str
    refused_at: datetime


@dataclass(frozen=True)
class KeptReceipt:
    """A receipt, with the first and the last position that it covers."""

    receipt_id: str
    first_position: int
    last_position: int
    accepted: int
    duplicate: int
    refused: int
    received_at: datetime
    traceparent: str


class Records(Protocol):
    """The stored receipts and dead letters."""

    async def has_destination(self, force: str, destination: str) -> bool:
        """Whether the force has, or had, a destination of that name."""

    async def dead_letters(self, force: str, destination: str, below: int, most: int) -> list[DeadLetter]:
        """Dead letters at positions below `below`, newest first."""

    async def receipt(self, force: str, destination: str, position: int) -> KeptReceipt | None:
        """The receipt that covers a position."""

    async def delete_old(self, forces: Iterable[str], receipt_days: float, dead_letter_days: float) -> None:
        """Delete receipts and dead letters that are older."""
