"""The ports of the hotlists feature to its database; see `services.match.hotlists.postgres`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from gantry.match.v1.hotlist_pb2 import Hotlist


@dataclass(frozen=True, slots=True)
class Sealed:
    """A closed load: its entries, those whose plate an earlier line has, those past their weed date."""

    entries: int
    repeated: int
    expired: int
    repeats: Sequence[tuple[int, int]] = ()
    """Some of the repeated lines: number of the line, and of the first one with its plate."""


@dataclass(frozen=True, slots=True)
class Activation:
    """The activation of a load as the next version of this hotlist, on behalf of this person."""

    force: str
    name: str
    near_matches: bool
    request_id: UUID
    person: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer of an earlier import with the same request id, and its hotlist."""

    name: str
    answer: bytes


class AlreadyImported(Exception):  # noqa: N818 - not an error: the import is done
    """Another call imported the same request meanwhile."""


class Loading(Protocol):
    """A load that this process fills. Once dropped, it raises Unavailable IMPORT_INTERRUPTED."""

    load_no: int

    async def fill(self, rows: bytes) -> None:
        """Add whole rows in the form of `services.match.hotlists.copy_format.copy_text`."""

    async def seal(self, now: datetime) -> Sealed:
        """Close the load; it can then be read."""

    async def activate(self, activation: Activation, entries: int, answer: Callable[[int], bytes]) -> bytes:
        """Make the load a hotlist's next version and keep `answer(version)`, which is returned.

        When it returns, a cursor can no longer move over reads that were not matched against the load. Raises
        AlreadyImported when another call with the same request id was first.
        """


class Hotlists(Protocol):
    """The hotlists of all forces, and their loads."""

    def begin(self, force: str) -> AbstractAsyncContextManager[Loading]:
        """Begin a load. It is dropped afterwards unless it is activated, also when this process stops."""

    async def answered(self, force: str, request_id: UUID) -> Answered | None:
        """The answer of an earlier import with this request id."""

    async def list(self, force: str, now: datetime) -> Sequence[Hotlist]:
        """The hotlists of a force, by name, with their entries that have passed their weed date `now`.

        The canary's is no hotlist of the force.
        """

    async def drop_unused(self, force: str) -> int:
        """Drop loads that were replaced or left behind; returns how many are still in use."""


class Announcer(Protocol):
    """Notifies every replica of a change; see `services.match.notices`."""

    def tell_hotlists(self, force: str) -> None:
        """Notify that a force's hotlists have changed."""
