"""NAS over gRPC, by Gantry's own contract (``gantry.nas.v1``), which is not the official one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NoReturn

import grpc
from gantry.nas.v1 import nas_pb2
from gantry.nas.v1.nas_pb2_grpc import NationalAnprServiceStub
from pydantic import BaseModel, ConfigDict, Field

from chassis.client import open_channel
from chassis.errors import fault_from
from chassis.settings import HostPort, TlsSettings
from chassis.silence import unanswered
from services.nas_bridge.destinations.adapter import (
    DeliveryFailedError,
    Receipt,
    Refusal,
    Submission,
    SubmissionRefusedError,
    options_as,
)
from services.nas_bridge.destinations.destination import DestinationSettings

if TYPE_CHECKING:
    from gantry.nas.v1.nas_pb2_grpc import NationalAnprServiceAsyncStub

_MOST_MESSAGE_BYTES: Final = 64 * 1024 * 1024
# Statuses that a repeat would meet again; true: a read in the submission is at fault, false: the sender is.
_REFUSED: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: True,
    grpc.StatusCode.PERMISSION_DENIED: False,
    grpc.StatusCode.UNAUTHENTICATED: False,
    grpc.StatusCode.UNIMPLEMENTED: False,
}


class NasOptions(BaseModel):
    """The options of adapter ``nas``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: HostPort = Field(description="HOST:PORT of the national service")


class NasDestination:
    """Sends the serialised columns on unchanged."""

    def __init__(self, stub: NationalAnprServiceAsyncStub, timeout_seconds: float) -> None:
        self._stub = stub
        self._timeout_seconds = timeout_seconds

    @staticmethod
    def check(options: Mapping[str, str]) -> None:
        """See `DestinationAdapter`."""
        options_as(NasOptions, options)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: DestinationSettings, tls: TlsSettings) -> AsyncIterator[NasDestination]:
        """Open a channel; see `DestinationAdapter`."""
        target = options_as(NasOptions, settings.options).target
        async with open_channel(
            target,
            tls,
            server_name=settings.server_name or None,
            max_message_bytes=_MOST_MESSAGE_BYTES,
            retries=False,
            reconnects=True,
            foreign=True,
        ) as channel:
            yield cls(NationalAnprServiceStub(channel), settings.timeout_seconds)

    async def deliver(self, submission: Submission) -> Receipt:
        """Submit the runs. Any other answer than a receipt raises DeliveryFailedError."""
        request = nas_pb2.SubmitReadsRequest(
            force=submission.force,
            submission_id=submission.submission_id,
            reads=[run.encoded for run in submission.runs],
            traceparents=submission.traceparents,
        )
        try:
            response = await self._stub.SubmitReads(request, timeout=self._timeout_seconds)
        except grpc.aio.AioRpcError as error:
            _fail(error, self._timeout_seconds)
        refusals = [Refusal(each.index, each.reason, each.message) for each in response.refusals]
        return Receipt(response.receipt_id, response.accepted, response.duplicate, refusals)


def _fail(error: grpc.aio.AioRpcError, seconds: float) -> NoReturn:
    if happened := unanswered(error, seconds):
        raise DeliveryFailedError(f"NAS {happened}") from None
    # NAS's own text is left out: it could quote a read.
    fault = fault_from(error)
    status, said = fault.status, f"NAS answered {fault.status.name}"
    if status in _REFUSED:
        raise SubmissionRefusedError(
            said, reason=status.name, divisible=_REFUSED[status], retry_after=fault.retry_after
        ) from None
    raise DeliveryFailedError(said, retry_after=fault.retry_after) from None
