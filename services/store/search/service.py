"""What people ask of the buffer: nothing is shown before the audit trail has it."""

from __future__ import annotations

import time
from typing import Any, Final

import grpc
from gantry.store.v1 import audit_pb2, store_pb2

from anpr.vrm import VrmEmpty, VrmInvalid, normalise
from chassis.errors import InvalidInput, NotFound
from chassis.identity import caller_of
from services.store.names import MetricName
from chassis.telemetry import meter
from services.store.audit.postgres import AuditTrail
from services.store.audit.purpose import require_purpose
from services.store.images.objects import ImageStore
from services.store.pages import page_size, page_token, place_of
from services.store.search.postgres import Found, Lookups, PlateQuery

_ITSELF: Final = "store"
_MOST_FORCES: Final = 100
_LONGEST_READ_ID: Final = 128
_END_OF_TIME_US: Final = 2**63 - 1
_TOP: Final = (_END_OF_TIME_US, 2**15 - 1, 2**63 - 1)
_seconds = meter().create_histogram(MetricName.STORE_SEARCH_SECONDS, "s", "Time of a plate search")

Call = grpc.aio.ServicerContext[Any, Any]


class LookupService:
    """SearchReads, GetRead and GetImage."""

    def __init__(self, lookups: Lookups, trail: AuditTrail, images: ImageStore) -> None:
        self._lookups = lookups
        self._trail = trail
        self._images = images

    async def search(
        self, request: store_pb2.SearchReadsRequest, context: Call
    ) -> store_pb2.SearchReadsResponse:
        """A page of a plate's reads, newest first."""
        caller = caller_of(context)
        for force in request.forces:
            caller.require_force(force)
        query = _plate_query(request)
        require_purpose(request.purpose)
        rows, place = page_size(request.page_size), place_of(request.page_token, query, 3)
        for force in query.forces:
            await self._trail.record(
                force, _ITSELF, caller.name, audit_pb2.AUDIT_ACTION_SEARCH_READS, request.purpose, query.vrm
            )
        started = time.perf_counter()
        found = await self._lookups.search(query, _place(place), rows)
        _seconds.record(time.perf_counter() - started)
        return store_pb2.SearchReadsResponse(
            reads=[each.read for each in found],
            next_page_token=page_token(query, found[-1].place) if len(found) == rows else "",
        )

    async def read(self, request: store_pb2.GetReadRequest, context: Call) -> store_pb2.GetReadResponse:
        """One read."""
        caller = caller_of(context)
        caller.require_force(request.force)
        require_purpose(request.purpose)
        subject = _read_subject(request)
        await self._trail.record(
            request.force, _ITSELF, caller.name, audit_pb2.AUDIT_ACTION_VIEW_READ, request.purpose, subject
        )
        if request.WhichOneof("name") == "position":
            found = await self._lookups.at(request.force, request.position)
        else:
            found = await self._lookups.named(request.force, request.read_id)
        return store_pb2.GetReadResponse(read=_known(found).read)

    async def image(self, request: store_pb2.GetImageRequest, context: Call) -> store_pb2.GetImageResponse:
        """An image of a read."""
        caller = caller_of(context)
        caller.require_force(request.force)
        require_purpose(request.purpose)
        if request.kind not in {store_pb2.IMAGE_KIND_PLATE_PATCH, store_pb2.IMAGE_KIND_OVERVIEW}:
            raise InvalidInput("IMAGE_KIND_INVALID", "ask for the plate patch or the overview", field="kind")
        kind = store_pb2.ImageKind.Name(request.kind)
        await self._trail.record(
            request.force,
            _ITSELF,
            caller.name,
            audit_pb2.AUDIT_ACTION_VIEW_IMAGE,
            request.purpose,
            f"position {request.position} {kind}",
        )
        found = _known(await self._lookups.at(request.force, request.position))
        return store_pb2.GetImageResponse(jpeg=await self._jpeg(found, request.kind))

    async def _jpeg(self, found: Found, kind: store_pb2.ImageKind.ValueType) -> bytes:
        place = found.image
        start, length = place.offset, place.patch_bytes
        if kind == store_pb2.IMAGE_KIND_OVERVIEW:
            start, length = place.offset + place.patch_bytes, place.overview_bytes
        jpeg = await self._images.get(place.key, start, length) if length else None
        if jpeg is None:
            raise NotFound("IMAGE_ABSENT", "the read has no such image")
        return jpeg


def _plate_query(request: store_pb2.SearchReadsRequest) -> PlateQuery:
    forces = tuple(dict.fromkeys(request.forces))
    if not 0 < len(forces) <= _MOST_FORCES:
        raise InvalidInput("FORCE_INVALID", f"name 1 to {_MOST_FORCES} forces", field="forces")
    from_us = request.captured_from.ToMicroseconds() if request.HasField("captured_from") else 0
    to_us = request.captured_to.ToMicroseconds() if request.HasField("captured_to") else _END_OF_TIME_US
    if from_us >= to_us:
        raise InvalidInput(
            "TIME_RANGE_INVALID", "captured_from is not before captured_to", field="captured_from"
        )
    return PlateQuery(forces, _vrm(request.vrm), from_us, to_us)


def _vrm(text: str) -> str:
    try:
        return normalise(text)
    except (VrmEmpty, VrmInvalid):
        # The cause would be in a traceback, and with it perhaps the text.
        raise InvalidInput("VRM_INVALID", "a VRM is 1 to 12 letters and digits", field="vrm") from None


def _place(place: tuple[int, ...] | None) -> tuple[int, int, int]:
    return _TOP if place is None else (place[0], place[1], place[2])


def _read_subject(request: store_pb2.GetReadRequest) -> str:
    name = request.WhichOneof("name")
    if name == "position":
        return f"position {request.position}"
    if name is None or not 0 < len(request.read_id) <= _LONGEST_READ_ID or not request.read_id.isprintable():
        raise InvalidInput("NAME_INVALID", "name the read by its position or its read_id", field="read_id")
    return f"read_id {request.read_id}"


def _known(found: Found | None) -> Found:
    if found is None:
        raise NotFound("READ_UNKNOWN", "the buffer has no such read")
    return found
