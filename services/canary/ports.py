"""The calls that a canary needs, and what it sends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol


class RejectedError(Exception):
    """Ingest acknowledged the canary as a read that it refuses. The text is the reason."""


@dataclass(frozen=True)
class Canary:
    """A canary: its force, its identity, and when it was captured in microseconds since 1970."""

    force: str
    read_id: str
    captured_at: int


class Calls(Protocol):
    """Calls of the services. Each of them raises Fault."""

    async def prepare(self, force: str) -> None:
        """Make match raise alerts for canaries of a force."""

    async def enrol(self, force: str) -> str:
        """Enrol the canary's feed of a force and return its token. Earlier tokens stop working."""

    async def send(self, token: str, canary: Canary) -> None:
        """Deliver a canary. Raises Unauthenticated for the token, RejectedError."""

    def watch(self, force: str) -> AsyncGenerator[Sequence[str], None]:
        """The read_ids of canaries whose alerts were raised, from now on, with empty keep-alives."""
