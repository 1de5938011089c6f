"""The story of one read: where it is stored, its receipts, and the hops on its way."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from gantry.bridge.v1.bridge_pb2 import DESTINATION_STATE_RETIRED, GetReceiptResponse
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.store.v1.search_pb2 import GetReadResponse, StoredRead

from chassis.errors import Fault, NotFound
from cli.camera_names import camera_names
from cli.exits import CliError, Exit
from cli.forms import receipt_form, stored_form
from cli.links import Links
from cli.trace.follow import Hop, follow
from cli.trace.source import Source
from cli.trace.spans import parse_traceparent

_BRIDGE_SECONDS: Final = 2.5
_UNSAMPLED: Final = "no hops: this read was not sampled, since only so many traces a second are kept"
_STORED: Final = "What the services stored of it is above"


@dataclass
class Story:
    """The result of `gantry trace`. `unsampled` says why there are no hops; a receipt may be None so far.

    `receipts_unknown` says why the bridge did not tell of them.
    `others` are reads of the force that have the same id, newest first, at most as many as the store lists;
    `others_count` is how many there are. `also_in` names other forces that have a read of this id.
    """

    stored: StoredRead
    receipts: dict[str, GetReceiptResponse | None] = field(default_factory=dict)
    hops: list[Hop] = field(default_factory=list)
    unsampled: str = ""
    also_in: list[str] = field(default_factory=list)
    camera_name: str = ""
    others: Sequence[StoredRead] = ()
    others_count: int = 0
    receipts_unknown: str = ""

    def as_json(self) -> dict[str, Any]:
        """The story for `--json`."""
        return {
            "read": stored_form(self.stored) | {"camera_name": self.camera_name},
            "receipts": {
                name: receipt_form(name, receipt) if receipt is not None else None
                for name, receipt in self.receipts.items()
            },
            "receipts_unknown": self.receipts_unknown,
            "hops": hop_forms(self.hops),
            "note": self.unsampled,
            "also_in": self.also_in,
            "others_count": self.others_count,
            "others": [stored_form(other) for other in self.others],
        }


async def named(
    links: Links, forces: tuple[str, ...], read_id: str, camera: str | None, purpose: Purpose
) -> Story:
    """Look a read up by its id, and its camera if named. CliError when no force has it."""
    found = await reads_named(links, forces, read_id, camera or "", purpose)
    return Story(
        found[0].read,
        others=found[0].others,
        others_count=found[0].others_count,
        also_in=[answer.read.read.force for answer in found[1:]],
    )


async def at_position(links: Links, force: str, position: int, purpose: Purpose) -> Story:
    """Look a read up by its place in its force's log. NotFound when there is none."""
    search = await links.search()
    return Story(await search.read(force, purpose, position=position))


async def follow_up(links: Links, story: Story, source: Source) -> None:
    """Add what others than the store know of the read: its receipts, its camera's name, its hops."""
    stored = story.stored
    await _add_receipts(links, story)
    names = await camera_names(links, [stored.read])
    story.camera_name = names.get((stored.read.force, stored.read.camera_id), "")
    append = parse_traceparent(stored.traceparent)
    if append is None or not append.sampled:
        story.unsampled = _why_unsampled(source)
        return
    story.hops = follow(await source.spans(append.trace_id), append.span_id, stored.position)
    if not story.hops:
        story.unsampled = f"the spans of this read are not in {source.name} (any more)"


def _why_unsampled(source: Source) -> str:
    if source.holds_none:
        unrecorded = (
            f", or the services keep no traces: none is in {source.name}. "
            "They write them there with GANTRY_TELEMETRY__SPANS_FILE"
        )
        return f"{_UNSAMPLED}{unrecorded}. {_STORED}"
    return f"{_UNSAMPLED}. {_STORED}"


async def reads_named(
    links: Links, forces: tuple[str, ...], read_id: str, camera: str, purpose: Purpose
) -> list[GetReadResponse]:
    """The newest read with this id of each force that has one: ids are unique for a camera and time only.

    CliError when no force has one.
    """
    search, found = await links.search(), []
    for force in forces:
        with suppress(NotFound):
            found.append(await search.named(force, purpose, read_id, camera_id=camera))
    if found:
        return found
    of_camera = f" of camera {camera}" if camera else ""
    where = ", ".join(forces)
    raise CliError(
        f"no read with that read_id{of_camera} is in the buffer of {where}",
        Exit.NOT_FOUND,
        reason="READ_UNKNOWN",
    )


async def _add_receipts(links: Links, story: Story) -> None:
    """Ask the bridge. What the others know of the read is told without it, too."""
    try:
        async with asyncio.timeout(_BRIDGE_SECONDS):
            story.receipts = await _receipts(links, story.stored)
    except TimeoutError:
        story.receipts_unknown = f"nas_bridge did not answer within {_BRIDGE_SECONDS} s"
    except CliError as error:
        if error.code is not Exit.UNREACHABLE:
            raise
        story.receipts_unknown = error.message
    except Fault as fault:
        if fault.status is not grpc.StatusCode.UNAVAILABLE:
            raise
        silent = fault.reason == "UNAVAILABLE"
        story.receipts_unknown = f"nas_bridge {'cannot be reached' if silent else fault.message}"


async def _receipts(links: Links, stored: StoredRead) -> dict[str, GetReceiptResponse | None]:
    bridge, force = await links.bridge(), stored.read.force
    found: dict[str, GetReceiptResponse | None] = {}
    for destination in await bridge.destinations(force):
        try:
            found[destination.name] = await bridge.receipt(force, destination.name, stored.position)
        except NotFound:
            # A retired destination gets nothing more: without a receipt it says nothing of this read.
            if destination.desired_state != DESTINATION_STATE_RETIRED:
                found[destination.name] = None
    return found


def hop_forms(hops: Sequence[Hop]) -> list[Mapping[str, Any]]:
    """Hops for `--json`; their times count from the first."""
    start = min((hop.span.start_ns for hop in hops), default=0)
    return [_hop_form(hop, start) for hop in hops]


def _hop_form(hop: Hop, start_ns: int) -> dict[str, Any]:
    span = hop.span
    return {
        "service": span.service,
        "span": span.name,
        "start_ms": round((span.start_ns - start_ns) / 1e6, 3),
        "duration_ms": round(span.milliseconds, 3),
        "status": span.status,
        "depth": hop.depth,
        "remark": hop.remark,
        "trace_id": span.trace_id,
        "span_id": span.span_id,
    }
