"""`gantry trace`: the path of one read, hop by hop."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import typer
from gantry.bridge.v1.bridge_pb2 import GetReceiptResponse
from gantry.common.v1.purpose_pb2 import Purpose

from cli.exits import CliError, Exit
from cli.flow import prose
from cli.forms import moment, place_of
from cli.home import SuiteHome
from cli.jsonlines import write_json
from cli.links import connect
from cli.options import ForcesOption, ReferenceOption, one_force, purpose_of, run
from cli.output import Column, Marked, counted, flow, local_time, note, say, table, warn
from cli.patience import run_patiently
from cli.trace.follow import Hop, tree
from cli.trace.source import Source
from cli.trace.story import Story, at_position, follow_up, hop_forms, named
from cli.verbs import Session, verb

_COLUMNS: Final = (
    Column("service", rank=1),
    Column("span", least=28),
    Column("starts at ms", right=True),
    Column("takes ms", right=True),
    Column("remark", least=16, rank=2),
)

_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_SEE: Final = "see `gantry status`"


_ReadId = Annotated[
    str | None,
    typer.Argument(
        metavar="READ_ID",
        help="The vendor's identifier of the read; the newest, when several have it, and a list of them.",
        show_default=False,
    ),
]
_Purpose = Annotated[
    str | None,
    typer.Option(
        "--purpose",
        metavar="TEXT",
        help="Why you look at the read; the audit trail has it first.",
        show_default=False,
    ),
]
_Position = Annotated[
    int | None,
    typer.Option(
        min=1, help="Instead: its position in the force's log, as search shows it.", show_default=False
    ),
]
_Camera = Annotated[
    str | None,
    typer.Option(metavar="CAMERA_ID", help="With READ_ID: only a read of this camera.", show_default=False),
]
_TraceId = Annotated[
    str | None,
    typer.Option(
        "--trace",
        metavar="TRACE_ID",
        help="Instead of a read: a trace, as logs name it. It shows no read and needs no purpose.",
        show_default=False,
    ),
]
_From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="URL",
        envvar="GANTRY_TRACES_FROM",
        help="The query API of Jaeger or Tempo that has the traces. Default: the files of the suite.",
        show_default=False,
    ),
]


@verb
def trace(
    session: Session,
    read_id: _ReadId = None,
    *,
    purpose: _Purpose = None,
    position: _Position = None,
    camera: _Camera = None,
    trace_id: _TraceId = None,
    source: _From = None,
    force: ForcesOption = None,
    reference: ReferenceOption = "",
) -> None:
    """Show one read's way from the camera to the national services, with times."""
    spans = Source(SuiteHome(session.home).spans, source)
    spans.require()
    if trace_id is not None:
        _require_no_read(read_id, position, camera)
        run(_whole(session, spans, trace_id))
        return
    if purpose is None:
        raise CliError("say why you look, with --purpose", Exit.USAGE)
    _require_one_read(read_id, position, camera)
    wanted = _Wanted(read_id, position, camera, force or [], purpose_of(purpose, reference))
    answered = asyncio.Event()
    run_patiently(session, "store", lambda: _trace(session, wanted, spans, answered), answered=answered)


def _require_no_read(*names: object) -> None:
    if any(name is not None for name in names):
        raise CliError("--trace names a trace: leave out the READ_ID, --position and --camera", Exit.USAGE)


def _require_one_read(read_id: str | None, position: int | None, camera: str | None) -> None:
    if (read_id is None) is (position is None):
        raise CliError("name the read: either by its READ_ID or with --position", Exit.USAGE)
    if camera is not None and read_id is None:
        raise CliError("--camera goes with a READ_ID: a position names one read of the force", Exit.USAGE)


@dataclass(frozen=True)
class _Wanted:
    """The read to trace, and why."""

    read_id: str | None
    position: int | None
    camera: str | None
    forces: list[str]
    purpose: Purpose


async def _whole(session: Session, source: Source, trace_id: str) -> None:
    wanted = trace_id.strip().lower()
    if not _TRACE_ID.fullmatch(wanted):
        raise CliError("a TRACE_ID has 32 hexadecimal digits", Exit.USAGE)
    hops = tree(await source.spans(wanted))
    if not hops:
        raise CliError(f"no span of that trace is in {source.name} (any more)", Exit.NOT_FOUND)
    if session.as_json:
        write_json({"trace_id": wanted, "hops": hop_forms(hops)})
    else:
        _show_hops(hops)


async def _trace(session: Session, wanted: _Wanted, source: Source, answered: asyncio.Event) -> None:
    forces = wanted.forces
    async with connect(session.home, session.person) as links:
        if wanted.read_id is not None:
            chosen = links.person.chosen(forces)
            story = await named(links, chosen, wanted.read_id, wanted.camera, wanted.purpose)
        else:
            # Each force counts its positions: in another force the same number names another read.
            force = one_force(links.person, forces[0] if len(forces) == 1 else None)
            story = await at_position(links, force, wanted.position or 0, wanted.purpose)
        answered.set()  # the rest is told by others, and without them
        await follow_up(links, story, source)
    if session.as_json:
        write_json(story.as_json())
    else:
        _show(story)
    if story.receipts_unknown:
        raise typer.Exit(Exit.UNREACHABLE)


def _show(story: Story) -> None:
    stored, read = story.stored, story.stored.read
    captured, received = moment(read, "captured_at"), moment(stored, "received_at")
    name = "" if story.camera_name == read.camera_id else story.camera_name
    where = (name, f"({place_of(read)})" if read.HasField("position") else "")
    place = " ".join(filter(None, where))
    flow(
        [
            Marked(read.read_id, "bold"),
            f"of {read.force}",
            f"{read.camera_id}{',' if name else '' if place else ':'}",
            *prose(f"{place}:" if place else ""),
            "captured",
            f"{local_time(captured)},",
            "stored",
            local_time(received),
            f"at position {stored.position:,}",
        ],
        continued="  ",
    )
    for name, receipt in story.receipts.items():
        say(f"  {name}: ", *_receipt(receipt))
    if story.receipts_unknown:
        see = "" if _SEE in story.receipts_unknown else f"; {_SEE}"
        warn(f"the receipts are not known now: {story.receipts_unknown}{see}")
    for force in story.also_in:
        note(f"{force} has a read with this id too: --force {force} shows it")
    _show_others(story)
    if story.unsampled:
        note(story.unsampled)
    if story.hops:
        _show_hops(story.hops)


def _show_hops(hops: Sequence[Hop]) -> None:
    start = min(hop.span.start_ns for hop in hops)
    table(_COLUMNS, [_row(hop, start) for hop in hops])


def _show_others(story: Story) -> None:
    """The other reads of this id: the person may have meant one of them."""
    if not story.others_count:
        return
    has = "has" if story.others_count == 1 else "have"
    several = any(one.read.camera_id != story.stored.read.camera_id for one in story.others)
    warn(
        f"{counted(story.others_count, 'other read')} of {story.stored.read.force} {has} this id, and the "
        f"newest is shown; {'--camera or ' if several else ''}--position shows another:"
    )
    rows = [
        (one.read.camera_id, local_time(moment(one.read, "captured_at")), f"{one.position:,}")
        for one in story.others
    ]
    table(("camera", "captured (UTC)", "position"), rows, right=("position",))
    if left := story.others_count - len(story.others):
        note(f"{left:,} more are not listed")


def _short(span: str) -> str:
    """A call without the package of its service, which would take half of a terminal's line."""
    service, slash, method = span.partition("/")
    return f"{service.rpartition('.')[2]}/{method}" if slash else span


def _receipt(receipt: GetReceiptResponse | None) -> list[str | Marked]:
    if receipt is None:
        return [Marked("not delivered yet", "doubt")]
    when = local_time(moment(receipt, "received_at"))
    covers = f"positions {receipt.first_position:,} to {receipt.last_position:,}"
    if not receipt.receipt_id:
        return [Marked("refused", "bad"), f" at {when}: a dead letter"]
    return [Marked(f"receipt {receipt.receipt_id}", "good"), f" at {when}, covers {covers}"]


def _row(hop: Hop, start_ns: int) -> list[str | Marked]:
    span = hop.span
    style = "bad" if span.status == "ERROR" else "bold" if hop.depth == 0 else ""
    begins = f"{(span.start_ns - start_ns) / 1e6:,.1f}"
    return [
        span.service,
        Marked(f"{'  ' * hop.depth}{_short(span.name)}", style),
        begins,
        f"{span.milliseconds:,.1f}",
        Marked(hop.remark, "dim"),
    ]
