"""The plug-in interface of destinations: everything that an integrator has to supply.

An adapter is a class that an installed package offers under the entry point group ``gantry.destinations``. A
destination names it in its field ``adapter``. Forces whose destinations are reached in the same way share one
open object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from chassis.settings import TlsSettings
from reads.appended import Appended
from reads.read import ReadIdentity, identity_at
from services.nas_bridge.destinations.destination import DestinationSettings

Options = TypeVar("Options", bound=BaseModel)


class DeliveryFailedError(Exception):
    """The destination did not accept a submission, which is sent again. The text holds no personal data.

    `retry_after` is how many seconds the destination asked to wait. `traceparent` is of the delivery's span.
    """

    traceparent = ""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SubmissionRefusedError(DeliveryFailedError):
    """The destination refuses a submission as a whole and would refuse it again: a person must be informed.

    `reason` is the destination's code. `divisible` is true when a read in the submission is at fault, so that
    parts of it may be taken. It is false when the sender is refused: only the destination can change that.
    """

    def __init__(
        self, message: str, *, reason: str, divisible: bool, retry_after: float | None = None
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.reason = reason
        self.divisible = divisible


class OptionInvalidError(ValueError):
    """The adapter cannot use one of its options. The text is one sentence that says what would work."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True)
class Submission:
    """Reads of one force in the order of its log, one run an append. A repeat has the same `submission_id`.

    An adapter that sends the columns on unchanged uses `run.encoded`, a serialised ReadColumns. `run.columns`
    parses it. `traceparents` are the spans under which it is delivered beside the current one: each traced
    batch in it has a trace of its own, and a receiver that keeps traces may continue them all.
    """

    force: str
    submission_id: str
    runs: Sequence[Appended]
    traceparents: Sequence[str] = ()

    @property
    def count(self) -> int:
        """How many reads there are in all runs."""
        return sum(run.count for run in self.runs)

    def identity_of(self, index: int) -> ReadIdentity:
        """The identity of the read at `index`, counted through all runs from 0. Raises IndexError."""
        for run in self.runs:
            if index < run.count:
                return identity_at(run.columns, index)
            index -= run.count
        raise IndexError("the submission has fewer reads")

    def position_of(self, index: int) -> int:
        """The log position of the read at `index`, counted through all runs from 0. Raises IndexError."""
        for run in self.runs:
            if index < run.count:
                return run.positions[index]
            index -= run.count
        raise IndexError("the submission has fewer reads")


@dataclass(frozen=True)
class Refusal:
    """A read refused for good: its index through all runs, a reason code, a sentence without the plate."""

    index: int
    reason: str
    message: str


@dataclass(frozen=True)
class Receipt:
    """The receipt of a destination. `duplicate` counts the reads that it had accepted before."""

    receipt_id: str
    accepted: int
    duplicate: int
    refusals: Sequence[Refusal] = ()


class Destination(Protocol):
    """A receiver of reads."""

    async def deliver(self, submission: Submission) -> Receipt:
        """Send a submission once and return its receipt.

        Raises DeliveryFailedError when it has to be sent again, SubmissionRefusedError when that would not
        help. A read that the adapter cannot put into the destination's own form is a refusal in the receipt.
        """


class DestinationAdapter(Protocol):
    """The class that an entry point of ``gantry.destinations`` names."""

    def check(self, options: Mapping[str, str]) -> None:
        """Check a destination's options when it is added, without connecting. Raises OptionInvalidError."""

    def open(
        self, settings: DestinationSettings, tls: TlsSettings
    ) -> AbstractAsyncContextManager[Destination]:
        """Open the destination when its first line starts. `tls` is the identity to show to it.

        An error concerns this destination only: its status shows the error, and opening it is tried again.
        """


def options_as(kind: type[Options], options: Mapping[str, str]) -> Options:
    """The options as a model whose fields describe what they should be. Raises OptionInvalidError."""
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        option = str(problem["loc"][0]) if problem["loc"] else ""
        field = kind.model_fields.get(option)
        if field is None:
            known = ", ".join(sorted(kind.model_fields)) or "none"
            raise OptionInvalidError(option, f"there is no such option; known: {known}") from None
        raise OptionInvalidError(option, f"should be {field.description}") from None
