"""Everything known of one read: where it is stored, who has it, and the hops on its way."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gantry.bridge.v1.bridge_pb2 import GetReceiptResponse
from gantry.common.v1.read_pb2 import Purpose
from gantry.store.v1.store_pb2 import StoredRead

from chassis.errors import NotFound
from cli.exits import CliError, Exit
from cli.links import Links
from cli.trace.follow import Hop, follow
from cli.trace.spans import parse_traceparent, read_spans

if TYPE_CHECKING:
    from pathlib import Path

_UNSAMPLED: Final = (
    "no hops: this read was not sampled, since under load only some traces are kept. "
    "What the services stored of it is above"
)


@dataclass
class Story:
    """What `gantry trace` found. `unsampled` says why there are no hops; a receipt may be None so far."""

    stored: StoredRead
    receipts: dict[str, GetReceiptResponse | None] = field(default_factory=dict)
    hops: list[Hop] = field(default_factory=list)
    unsampled: str = ""

    def as_json(self) -> dict[str, Any]:
        """The story for `--json`."""
        from cli.forms import receipt_form, stored_form

        start = min((hop.span.start_ns for hop in self.hops), default=0)
        return {
            "read": stored_form(self.stored),
            "receipts": {
                name: receipt_form(name, receipt) if receipt is not None else None
                for name, receipt in self.receipts.items()
            },
            "hops": [_hop_form(hop, start) for hop in self.hops],
            "note": self.unsampled,
        }


async def tell(links: Links, forces: tuple[str, ...], read_id: str, purpose: Purpose, spans: "Path") -> Story:
    """Look a read up and follow it. CliError when no force has it."""
    stored = await _find(links, forces, read_id, purpose)
    story = Story(stored, await _receipts(links, stored))
    append = parse_traceparent(stored.traceparent)
    if append is None or not append.sampled:
        story.unsampled = _UNSAMPLED
        return story
    traces = [append.trace_id, *_traces_of(story.receipts)]
    story.hops = follow(read_spans(spans, traces), append.span_id, stored.position)
    if not story.hops:
        story.unsampled = f"the spans of this read are not in {spans} (any more)"
    return story


async def _find(links: Links, forces: tuple[str, ...], read_id: str, purpose: Purpose) -> StoredRead:
    store = await links.store()
    for force in forces:
        with suppress(NotFound):
            return await store.read(force, purpose, read_id=read_id)
    where = ", ".join(forces)
    raise CliError(
        f"no read with that read_id is in the buffer of {where}", Exit.NOT_FOUND, reason="READ_UNKNOWN"
    )


async def _receipts(links: Links, stored: StoredRead) -> dict[str, GetReceiptResponse | None]:
    bridge, force = await links.bridge(), stored.read.force
    found: dict[str, GetReceiptResponse | None] = {}
    for destination in await bridge.destinations(force):
        try:
            found[destination.name] = await bridge.receipt(force, destination.name, stored.position)
        except NotFound:
            found[destination.name] = None
    return found


def _traces_of(receipts: dict[str, GetReceiptResponse | None]) -> list[str]:
    parents = [parse_traceparent(receipt.traceparent) for receipt in receipts.values() if receipt is not None]
    return [parent.trace_id for parent in parents if parent is not None]


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
