"""The hotlist that canaries hit: one entry, imported as every hotlist is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID, uuid5

from reads.canary import CANARY, CANARY_VRM
from services.match.hotlists.importing import HotlistImports, ImportOrder

_FILE: Final = f"vrm,reason\n{CANARY_VRM},Gantry tests itself\n".encode()
_REQUESTS: Final = UUID("6f1c5a0e-3d1b-4c55-9a57-1f0a4f6f2b9d")


@dataclass(frozen=True, slots=True)
class CanaryList:
    """The canary's hotlist as it is now."""

    version: int
    entries: int
    imported_by: str

    @property
    def is_ready(self) -> bool:
        """Whether it has the canary's entry, and not what a person once imported under the same name."""
        return self.entries == 1 and self.imported_by == CANARY


class CanaryLists(Protocol):
    """The canary's hotlists; see `services.match.canary.postgres`."""

    async def find(self, force: str) -> CanaryList | None:
        """The canary's hotlist of a force; None before it was ever imported."""


class CanaryHotlists:
    """Prepares the hotlists that canaries hit."""

    def __init__(self, lists: CanaryLists, imports: HotlistImports) -> None:
        self._lists = lists
        self._imports = imports

    async def prepare(self, force: str) -> None:
        """Import the canary's hotlist of a force unless it is there.

        Canaries stored later are matched against it. Raises Fault as an import does.
        """
        found = await self._lists.find(force)
        if found is None or not found.is_ready:
            request_id = _request_id(force, 0 if found is None else found.version)
            await self._imports.run(ImportOrder(force, CANARY, False, request_id, CANARY), _chunks())


def _request_id(force: str, version: int) -> UUID:
    """The same for all who replace this version at once, so that the list is imported once."""
    return uuid5(_REQUESTS, f"{force} {version}")


async def _chunks() -> AsyncIterator[bytes]:
    yield _FILE
