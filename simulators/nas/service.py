"""The gRPC face of the simulated National ANPR Service."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeAlias
from uuid import uuid4

import grpc
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.nas.v1.nas_pb2 import Refusal, SubmitReadsRequest, SubmitReadsResponse
from gantry.nas.v1.nas_pb2_grpc import (
    NationalAnprServiceServicer,
    add_NationalAnprServiceServicer_to_server,
)
from google.protobuf.message import DecodeError

from chassis.joint_spans import spans_following
from reads.columns import ColumnsUnequal, require_equal
from simulators.national.behaviour import Plan
from simulators.national.ledger import Identities, Outcome
from simulators.national.names import SpanName
from simulators.national.options import Options
from simulators.national.running import MOST_REQUEST_BYTES, Service, SimulatorState

MOST_READS: Final = 20_000
_FORCE: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")


_Call: TypeAlias = "grpc.aio.ServicerContext[SubmitReadsRequest, SubmitReadsResponse]"


class NasSimulator(NationalAnprServiceServicer):
    """Accepts each read once, and shows the faults that the control surface orders."""

    def __init__(self, state: SimulatorState) -> None:
        self._state = state

    async def SubmitReads(self, request: SubmitReadsRequest, context: _Call) -> SubmitReadsResponse:
        plan = self._state.behaviour.next_submission()
        if plan.away:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away on request")
        with spans_following(SpanName.NAS_ACCEPT, [*_traceparents(context), *request.traceparents]):
            return await self._submit(request, context, plan)

    async def _submit(self, request: SubmitReadsRequest, context: _Call, plan: Plan) -> SubmitReadsResponse:
        await asyncio.sleep(plan.delay_seconds)
        if plan.forbid:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "forbidden on request")
        try:
            outcome = await self._take(request, plan)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except OSError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the reads cannot be written down now")
        if plan.drop_after_accept:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "dropped on request, after accepting")
        return _receipt(outcome, plan)

    async def _take(self, request: SubmitReadsRequest, plan: Plan) -> Outcome:
        runs = _runs(request)
        identities = _identities(request.force, runs)
        if self._state.ledger.poisoned(identities, plan.poison_every):
            raise ValueError("poisoned on request")
        outcome = await self._state.ledger.accept(identities, plan.refuse_every)
        counts = self._state.counts
        counts.submissions += 1
        for run in runs:
            counts.plate_patches[request.force] += sum(map(bool, run.plate_patches))
            counts.overviews[request.force] += sum(map(bool, run.overviews))
        return outcome


@asynccontextmanager
async def listen(state: SimulatorState, options: Options) -> AsyncIterator[int]:
    """Listen for forces' management servers, by mutual TLS; yields the port."""
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", MOST_REQUEST_BYTES), ("grpc.so_reuseport", 0)]
    )
    add_NationalAnprServiceServicer_to_server(NasSimulator(state), server)
    pair = (options.key.read_bytes(), options.certificate.read_bytes())
    credentials = grpc.ssl_server_credentials(
        [pair], options.authority.read_bytes(), require_client_auth=True
    )
    port = server.add_secure_port(str(options.listen), credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(1.0)


NAS: Final = Service("nas", "A simulated National ANPR Service (gRPC).", "grpc", listen)


def _traceparents(context: _Call) -> list[str]:
    metadata = context.invocation_metadata() or ()
    return [value for key, value in metadata if key == "traceparent" and isinstance(value, str)]


def _runs(request: SubmitReadsRequest) -> list[ReadColumns]:
    try:
        runs = [ReadColumns.FromString(encoded) for encoded in request.reads]
        count = sum(map(require_equal, runs))
    except DecodeError:
        raise ValueError("an element of reads is no serialised ReadColumns") from None
    except ColumnsUnequal as error:
        raise ValueError(f"COLUMNS_UNEQUAL: {error}") from None
    if not 0 < count <= MOST_READS:
        raise ValueError(f"a submission should have 1 to {MOST_READS} reads; this has {count}")
    return runs


def _identities(force: str, runs: list[ReadColumns]) -> Identities:
    if not _FORCE.fullmatch(force):
        raise ValueError("force should be 1 to 32 of a-z, 0-9 and dash, beginning with a letter")
    cameras: list[str] = []
    captured: list[int] = []
    read_ids: list[str] = []
    for run in runs:
        cameras += _cameras(run)
        captured += run.captured_at_us
        read_ids += run.read_ids
    return Identities(force, cameras, captured, read_ids)


def _cameras(run: ReadColumns) -> list[str]:
    cameras = list(run.camera_ids)
    try:
        return [cameras[index] for index in run.camera_indexes]
    except IndexError:
        raise ValueError("an element of camera_indexes points past camera_ids") from None


def _receipt(outcome: Outcome, plan: Plan) -> SubmitReadsResponse:
    response = SubmitReadsResponse(
        receipt_id=f"NAS-{uuid4().hex}", accepted=outcome.accepted, duplicate=outcome.duplicate
    )
    response.refusals.extend(
        Refusal(index=index, reason=plan.refuse_reason, message="Refused on request.")
        for index in outcome.refused
    )
    response.received_at.FromNanoseconds(time.time_ns())
    return response
