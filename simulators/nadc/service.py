"""The HTTPS face of the simulated old national data centre."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from aiohttp import web

from chassis.joint_spans import spans_following
from simulators.nadc.document import (
    Answer,
    Batch,
    DocumentError,
    answer_document,
    fault_document,
    parse_batch,
)
from simulators.national.behaviour import Plan
from simulators.national.ledger import Outcome
from simulators.national.names import SpanName
from simulators.national.options import Options
from simulators.national.running import MOST_REQUEST_BYTES, Service, SimulatorState, http_site

PATH: Final = "/nadc/batches"
_STATE: Final = web.AppKey("state", SimulatorState)


@asynccontextmanager
async def listen(state: SimulatorState, options: Options) -> AsyncIterator[int]:
    """Listen for forces' management servers, by mutual TLS; yields the port."""
    app = web.Application(client_max_size=MOST_REQUEST_BYTES)
    app[_STATE] = state
    app.add_routes([web.post(PATH, _take_batch)])
    async with http_site(app, options.listen, _mutual_tls(options)) as port:
        yield port


NADC: Final = Service("nadc", "A simulated national data centre (XML over HTTPS).", "https", listen)


async def _take_batch(request: web.Request) -> web.StreamResponse:
    state = request.app[_STATE]
    plan = state.behaviour.next_submission()
    if plan.away:
        return _hang_up(request)
    with spans_following(SpanName.NADC_ACCEPT, _traceparents(request)):
        return await _judge_batch(request, state, plan)


def _traceparents(request: web.Request) -> list[str]:
    others = request.headers.get("gantry-traceparents", "")
    return [*request.headers.getall("traceparent", []), *others.split(",")]


async def _judge_batch(request: web.Request, state: SimulatorState, plan: Plan) -> web.StreamResponse:
    document = await request.read()
    await asyncio.sleep(plan.delay_seconds)
    if plan.forbid:
        return _xml(fault_document("FORBIDDEN", "Forbidden on request."), status=403)
    try:
        batch = parse_batch(document)
        outcome = await _accept(state, batch, plan)
    except DocumentError as error:
        return _xml(fault_document("BATCH_INVALID", str(error)), status=400)
    except OSError:
        return _xml(fault_document("CANNOT_WRITE", "The batch cannot be written down now."), status=503)
    if plan.drop_after_accept:
        return _hang_up(request)
    return _xml(answer_document(_answer(batch, outcome, plan)))


async def _accept(state: SimulatorState, batch: Batch, plan: Plan) -> Outcome:
    if state.ledger.poisoned(batch.reads, plan.poison_every):
        raise DocumentError("poisoned on request")
    outcome = await state.ledger.accept(batch.reads, plan.refuse_every)
    state.counts.submissions += 1
    state.counts.plate_patches[batch.reads.force] += batch.plate_patches
    state.counts.overviews[batch.reads.force] += batch.overviews
    return outcome


def _answer(batch: Batch, outcome: Outcome, plan: Plan) -> Answer:
    return Answer(
        receipt=f"NADC-{uuid4().hex}",
        batch=batch.name,
        received=datetime.now(UTC),
        accepted=outcome.accepted,
        duplicate=outcome.duplicate,
        refused=outcome.refused,
        reason=plan.refuse_reason,
    )


def _xml(document: str, status: int = 200) -> web.Response:
    return web.Response(
        body=document.encode(), status=status, content_type="application/xml", charset="utf-8"
    )


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    # The connection is closed, but aiohttp requires an answer from a handler.
    return web.Response(status=503)


def _mutual_tls(options: Options) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(options.authority))
    context.load_cert_chain(options.certificate, options.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
