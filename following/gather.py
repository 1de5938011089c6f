"""Take together what came while the last part was processed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GatherLimits:
    """When a part is full, and how long its first read waits for others.

    A part exceeds `most_reads` or `most_bytes` only by being a single item, which is never split. With
    `seconds` 0 a part is what has come until now.
    """

    most_reads: int = 5_000
    most_bytes: int = 8 * 1024 * 1024
    seconds: float = 0.0
