"""A force, and the port to the stored forces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from services.store.forces.settings import DEFAULTS, Settings

ALWAYS_REGISTERED: Final = ("match",)
"""Consumers that every force has from the beginning."""


@dataclass(frozen=True, slots=True)
class Force:
    """A force. `retired_at` is None while it is active."""

    code: str
    name: str
    created_at: datetime
    retired_at: datetime | None
    settings: Settings = DEFAULTS


@dataclass(frozen=True, slots=True)
class NewForce:
    """A force to create, with the consumers that retention waits for."""

    code: str
    name: str
    consumers: Sequence[str]
    request_id: UUID


@dataclass(frozen=True, slots=True)
class Directory:
    """Every force by code, retired ones included. `revision` counts the changes of the directory."""

    revision: int
    forces: Sequence[Force]


class Forces(Protocol):
    """The stored forces."""

    async def create(self, new: NewForce) -> Force:
        """Create a force, or return the one that the same request created.

        Raises AlreadyExists FORCE_EXISTS or REQUEST_ID_REUSED.
        """

    async def retire(self, force: str) -> Force:
        """Retire a force; one that is retired stays as it is. Raises NotFound FORCE_UNKNOWN."""

    async def change(self, force: str, settings: Settings) -> Force:
        """Replace the settings of a force. Raises NotFound FORCE_UNKNOWN."""

    async def revision(self) -> int:
        """The revision of the directory."""

    async def directory(self) -> Directory:
        """The directory, as it is at one revision."""
