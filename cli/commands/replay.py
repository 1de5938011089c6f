"""`gantry replay`: send a file of reads as cameras would."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from gantry_sdk import Connection

from cli.exits import CliError, Exit
from cli.interrupts import on_interrupt
from cli.jsonlines import write_json
from cli.links import Links, connect
from cli.output import Marked, counted, note, say, warn
from cli.replay.clock import Wish, choose_clock
from cli.replay.columns import about_utc, parse_forces, parse_map
from cli.replay.feeds import Arranger
from cli.replay.progress import scanning_progress, sending_progress
from cli.replay.registry import RegistryLink
from cli.replay.scan import Scan, scan
from cli.replay.send import Job, send_file
from cli.replay.source import ReadFile
from cli.replay.tally import Tally
from cli.replay.times import Clock, parse_start, parse_zone
from cli.tokens import TokenFile
from cli.verbs import Session, verb
from tables.columns import ignored_sentence, shown
from tables.layouts import READS

_NAMED_REMARKS = 20
_UNITS = {"s": "seconds", "ms": "milliseconds"}
_MAP = typer.Option(
    "--map", metavar="OURS=THEIRS", help="Where a column of ours is; repeat.", show_default=False
)
_START = typer.Option(
    metavar="TIME|now",
    help="When relative times begin; now: so that no read is ahead of now.",
    show_default=False,
)
_SPEED = typer.Option(metavar="N|max", help="1 is the recorded pace, 10 ten times it, max flat out.")
_ENROL = typer.Option("--enrol", help="Enrol the cameras of the file that are not known.")
_MOVE = typer.Option("--move", help="With --enrol: take cameras over from feeds whose token is not here.")
_UNIT = typer.Option(
    metavar="s|ms", help="Unit of relative times; default: told from the file.", show_default=False
)
_ZONE = typer.Option(
    metavar="ZONE", help="Zone of times without one, such as Europe/London or +01:00.", show_default=False
)
_FORCE_MAP = typer.Option(
    "--force-map", metavar="OLD=NEW", help="The file's code of a force, and ours; repeat.", show_default=False
)
_FORCE = typer.Option("--force", metavar="CODE", help="The force of all reads.", show_default=False)


@dataclass(frozen=True)
class Order:
    """The options of a replay."""

    file: Path
    columns: dict[str, str]
    force: str | None
    forces: dict[str, str]
    times: Wish
    speed: float | None
    feed: str
    enrol: bool
    move: bool


@verb
def replay(
    session: Session,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or JSON lines, plain or gzip; told by content.")
    ],
    *,
    columns: Annotated[list[str] | None, _MAP] = None,
    force: Annotated[str | None, _FORCE] = None,
    force_map: Annotated[list[str] | None, _FORCE_MAP] = None,
    start: Annotated[str | None, _START] = None,
    unit: Annotated[str | None, _UNIT] = None,
    zone: Annotated[str | None, _ZONE] = None,
    speed: Annotated[str, _SPEED] = "1",
    enrol: Annotated[bool, _ENROL] = False,
    move: Annotated[bool, _MOVE] = False,
    feed: Annotated[str, typer.Option(help="The feed for cameras that --enrol enrols.")] = "replay",
) -> None:
    """Send a file of reads to ingest.

    Columns are found by name: force camera_id read_id captured_at vrm confidence lat lon heading. Those from
    confidence on, and read_id, may be missing. One line is one read; a broken line is named and left out. A
    date and a time in two columns are joined by --map captured_at=Date+Time.
    """

    if move and not enrol:
        raise CliError("--move needs --enrol", Exit.USAGE)
    if unit is not None and unit not in _UNITS:
        raise CliError(f"--unit {unit}: say s or ms", Exit.USAGE)
    times = _times(start, _UNITS.get(unit or ""), zone)
    names, codes = parse_map(columns or []), parse_forces(force_map or [])
    order = Order(file, names, force, codes, times, _speed(speed), feed, enrol, move)
    with ReadFile(order.file, order.columns, order.force) as source:
        # Before the event loop starts, so that Ctrl-C ends it at once.
        with scanning_progress(source, quiet=session.as_json) as progress:
            found = scan(source, progress, order.forces)
        if not found.lines:
            raise CliError(f"{file} has a header line and no line after it that can be read", Exit.USAGE)
        uvloop.run(_replay(session, order, source, found))


def _times(start: str | None, unit: str | None, zone: str | None) -> Wish:
    now = start is not None and start.strip().casefold() == "now"
    begin = None if start is None or now else parse_start(start)
    return Wish(begin, now, unit, None if zone is None else parse_zone(zone))


async def _replay(session: Session, order: Order, file: ReadFile, found: Scan) -> None:
    clock = _clock(session, order, file, found)
    async with connect(session.home, session.person) as links:
        tokens = await _tokens(session, order, links, found)
        tally = Tally(assumed_utc=clock.assumed_utc)
        job = Job(file, clock, tokens, order.speed, tally, forces=order.forces, percent=found.percent)
        job.joined = file.is_joined("captured_at")
        await _send(session, links, job)
    if session.as_json:
        write_json(tally.as_json())
    else:
        _summarise(tally)
    _judge(tally, clock)


async def _send(session: Session, links: Links, job: Job) -> None:
    if session.as_json:
        # The SDK's remarks about the connection are for people; a script gets only JSON on standard error.
        logging.getLogger("gantry_sdk").addHandler(logging.NullHandler())
    tally = job.tally
    with sending_progress(job.file, tally, quiet=session.as_json) as report, on_interrupt(job.stop.set):
        job.progress = report
        async with Connection(
            links.home.address("ingest", "public"),
            authority=links.home.authority,
            server_name=links.home.certified_name("ingest"),
            channels=2,
        ) as connection:
            await send_file(connection, job)
    tally.finish()
    tally.interrupted = job.stop.is_set()


def _clock(session: Session, order: Order, file: ReadFile, found: Scan) -> Clock:
    column, now = file.theirs("captured_at") or "captured_at", datetime.now(UTC)
    clock, remarks = choose_clock(found, order.times, column=column, speed=order.speed, now=now)
    lines, cameras = counted(found.lines, "line"), counted(len(found.reads), "camera")
    remarks = [f"{lines} of {file.kind}, {cameras}", *remarks]
    if found.percent:
        remarks.append("confidences are taken as per cent, because they are whole numbers up to 100")
    if ignored := file.table.found.ignored:
        remarks.append(ignored_sentence(ignored, READS, file.table.found.places))
        remarks += about_utc(ignored) if found.naive and order.times.zone is None else []
    if found.mangled_ids:
        remarks.append(
            f"{counted(found.mangled_ids, 'read id')} that a tool made (1.23457E+17, #N/A, a word for none): "
            "these reads get an id from their camera, time and line"
        )
    if file.kind == "csv" and not file.theirs("read_id"):
        remarks.append("no column read_id: each read gets an id from its camera, time and line")
    for remark in () if session.as_json else remarks:
        note(remark)
    for odd in () if session.as_json else file.table.remarks[:_NAMED_REMARKS]:
        warn(f"  line {odd.line:,}: {odd.message}")
    return clock


async def _tokens(session: Session, order: Order, links: Links, found: Scan) -> dict[tuple[str, str], str]:
    ours = [force for force in found.forces if force in links.person.forces]
    if not ours:
        raise CliError(_no_force(order, found, links.person.name, links.person.forces), Exit.REFUSED)
    arranger = Arranger(
        RegistryLink(links),
        TokenFile.of(links.home),
        found,
        feed=order.feed,
        enrol=order.enrol,
        move=order.move,
    )
    feeds = await arranger.arrange(ours)
    for remark in feeds.remarks:
        warn(remark)
    if feeds.enrolled and not session.as_json:
        note(f"{counted(feeds.enrolled, 'camera')} enrolled on feed {order.feed}")
    return feeds.tokens


def _no_force(order: Order, found: Scan, person: str, forces: Iterable[str]) -> str:
    """Why no line can be sent, and what helps that was not given yet."""
    if not found.forces:
        return f"no line of the file has a force and a camera; {found.fault}"
    theirs = ", ".join(forces)
    if order.force is not None:
        return f"--force {order.force}: is not a code of a force of {person} ({theirs})"
    named = ", ".join(map(shown, found.forces[:5]))
    told = f"no line is of a force of {person} ({theirs}); found: {named}"
    if unused := [old for old, new in order.forces.items() if new not in found.forces]:
        return f"{told}; --force-map names what is not in the file: {', '.join(unused)}"
    return f"{told}; --force-map OLD=NEW says which of yours a code means"


def _summarise(tally: Tally) -> None:
    rows = tally.rows()
    widest = max(len(f"{count:,}") for _, count, _ in rows)
    for what, count, style in rows:
        say(Marked(f"{count:>{widest},}  {what}", style))
    note(f"{counted(tally.answered, 'read')} in {tally.seconds:.1f} s, {tally.rate:,.0f} reads/s")
    if tally.named:
        warn(f"the {'line' if len(tally.named) == 1 else f'first {len(tally.named)} lines'} that went wrong:")
    for problem in sorted(tally.named, key=lambda one: one.line):
        column = f" {problem.column}:" if problem.column else ""
        say(f"  line {problem.line:,}:{column} {problem.message}")


def _judge(tally: Tally, clock: Clock) -> None:
    if tally.interrupted:
        sent = counted(tally.lines, "line")
        warn(f"stopped after {sent}; to go on, {clock.again}: what was sent counts as duplicate")
        raise typer.Exit(Exit.INTERRUPTED)
    if tally.cut:
        raise CliError(f"{tally.cut}: what comes after that could not be read")
    if tally.lines and not tally.accepted + tally.duplicate:
        raise CliError("not one read of the file was taken; see the reasons above")


def _speed(text: str) -> float | None:
    if text.casefold() == "max":
        return None
    try:
        speed = float(text.casefold().removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise CliError(f"--speed {text}: say a number above 0, or max", Exit.USAGE)
    return speed
