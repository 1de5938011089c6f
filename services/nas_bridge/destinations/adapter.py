"""The plug-in interface of destinations: all that an integrator has to fill in.

An adapter is a class found under the entry point group ``gantry.destinations`` by the name that a
destination's setting ``adapter`` gives. It is opened once for a process and serves all forces at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar

from gantry.common.v1.read_columns_pb2 import ReadColumns
from pydantic import BaseModel, ValidationError

from chassis.errors import StartupFailure
from chassis.settings import TlsSettings
from services.nas_bridge.settings import DestinationSettings

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Options = TypeVar("Options", bound=BaseModel)


class DestinationAwayError(Exception):
    """The destination did not take a submission, which shall be repeated; a short text without personal data.

    `retry_after` is what it asked for, in seconds.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SubmissionRefusedError(DestinationAwayError):
    """The destination refuses a submission as a whole and would do so again: a person has to see it.

    `reason` is its code. `divisible` says that a read in it is at fault, so that parts of it may be taken;
    otherwise it is the sender who is refused, and only the destination can change that.
    """

    def __init__(
        self, message: str, *, reason: str, divisible: bool, retry_after: float | None = None
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.reason = reason
        self.divisible = divisible


@dataclass(frozen=True)
class ReadName:
    """What names one read within its force."""

    camera_id: str
    read_id: str
    captured_at: datetime


@dataclass(frozen=True)
class Submission:
    """Reads of one force in the order of its log. Repeated under the same id until a receipt comes."""

    force: str
    submission_id: str
    runs: Sequence[ReadColumns]

    @property
    def count(self) -> int:
        """How many reads there are in all runs."""
        return sum(len(run.read_ids) for run in self.runs)

    def name_of(self, index: int) -> ReadName:
        """Name the read at `index`, counted through all runs. Raises IndexError."""
        for run in self.runs:
            if index < len(run.read_ids):
                captured_at = _EPOCH + timedelta(microseconds=run.captured_at_us[index])
                return ReadName(run.camera_ids[run.camera_indexes[index]], run.read_ids[index], captured_at)
            index -= len(run.read_ids)
        raise IndexError("the submission has fewer reads")


@dataclass(frozen=True)
class Refusal:
    """A read refused for good: its index through all runs, a reason code, a sentence without the plate."""

    index: int
    reason: str
    message: str


@dataclass(frozen=True)
class Receipt:
    """What a destination says it did. `duplicate` are reads that it had already."""

    receipt_id: str
    accepted: int
    duplicate: int
    refusals: Sequence[Refusal] = ()


class Destination(Protocol):
    """Somewhere that reads are delivered to."""

    async def deliver(self, submission: Submission) -> Receipt:
        """Hand over a submission and return its receipt.

        Raises DestinationAwayError when it has to be repeated, SubmissionRefusedError when that would not
        help. Whoever cannot put a read into the destination's own form refuses that read in the receipt.
        """


class DestinationAdapter(Protocol):
    """What an entry point of ``gantry.destinations`` names: a class with this method."""

    def open(
        self, settings: DestinationSettings, tls: TlsSettings
    ) -> AbstractAsyncContextManager[Destination]:
        """Open the destination. `tls` is the identity to show it. Raises StartupFailure for bad options."""


def options_of(settings: DestinationSettings, kind: type[Options]) -> Options:
    """The adapter's own settings, checked. Raises StartupFailure with one sentence."""
    try:
        return kind.model_validate(settings.model_extra or {})
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise StartupFailure(
            f"GANTRY_BRIDGE__DESTINATIONS: {where!r} of destination {settings.name!r} cannot be used: "
            f"{problem['msg'].lower()}."
        ) from None
