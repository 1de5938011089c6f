"""`gantry search`: where was this vehicle?"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.common.v1.read_pb2 import ReadDetails
from gantry.store.v1.search_pb2 import StoredRead

from cli.camera_names import Names, camera_names
from cli.forms import moment, place_of, stored_form
from cli.jsonlines import write_json
from cli.lazy import loaded
from cli.links import connect
from cli.options import ForcesOption, PurposeOption, ReferenceOption, period_of, purpose_of
from cli.output import Column, Marked, note, table
from cli.patience import run_patiently
from cli.verbs import Session, verb
from clients.search import SearchClient

_PAGE = 1000
_NO_WORDS: Final = frozenset[str]()  # as the store: a person may search for what a camera took for a plate
_COLUMNS: Final = (
    Column("captured (UTC)"),
    Column("force", rank=2),
    Column("plate"),
    Column("conf", right=True, rank=3),
    Column("camera"),
    Column("name", least=20, rank=1),
    Column("place", rank=5),
    Column("seen", least=12, rank=6),
    Column("lane", right=True, rank=8),
    Column("km/h", right=True, rank=7),
    Column("pictures", rank=4),
    Column("read_id", rank=9),
    Column("position", right=True),
)


@dataclass(frozen=True)
class Query:
    """A search, with the number of reads to show."""

    vrm: str
    purpose: Purpose
    since: datetime | None
    until: datetime | None
    limit: int


@verb
def search(
    session: Session,
    vrm: Annotated[
        str, typer.Argument(metavar="PLATE", help="The plate, exact; blanks and case do not matter.")
    ],
    *,
    purpose: PurposeOption,
    force: ForcesOption = None,
    reference: ReferenceOption = "",
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Captured at or after.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Captured before.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most reads to show, newest first.")] = 100,
) -> None:
    """Find the reads of a plate in the buffer, newest first."""
    query = Query(vrm, purpose_of(purpose, reference), *period_of(since, until), limit)
    answered = asyncio.Event()
    run_patiently(session, "store", lambda: _search(session, force or [], query, answered), answered=answered)


async def _search(session: Session, forces: list[str], query: Query, answered: asyncio.Event) -> None:
    async with connect(session.home, session.person) as links:
        chosen = links.person.chosen(forces)
        found = await _found(await links.search(), chosen, query)
        answered.set()  # ingest tells the names of the cameras
        more = len(found) > query.limit
        found = found[: query.limit]
        names = await camera_names(links, (stored.read for stored in found))
    if session.as_json:
        write_json({"reads": [_form(stored, names) for stored in found], "more": more})
        return
    if not found:
        # As it was searched for: a typing error shows, and what became of an accent or a country.
        plate = loaded("anpr.plate:understand")(query.vrm, _NO_WORDS).vrm
        note(f"no read of this plate in the buffer: {plate}, of {', '.join(chosen)}")
        if loaded("anpr.not_read:is_not_read")(plate):
            note(f"{plate} stands for a plate that was not read: such reads are rejected and not kept")
        return
    _show(found, names, more=more, limit=query.limit)


async def _found(search: SearchClient, forces: tuple[str, ...], query: Query) -> list[StoredRead]:
    """The reads, and one more than the limit, to know whether there are more."""
    wanted = query.limit + 1
    reads = search.search(
        forces,
        query.vrm,
        query.purpose,
        query.since,
        query.until,
        page_size=min(_PAGE, wanted),
        max_reads=wanted,
    )
    return [read async for read in reads]


def _show(found: list[StoredRead], names: Names, *, more: bool, limit: int) -> None:
    table(_COLUMNS, [_row(stored, _name(stored, names)) for stored in found])
    if more:
        note(f"the newest {limit:,} are shown; --limit shows more")


def _name(stored: StoredRead, names: Names) -> str:
    return names.get((stored.read.force, stored.read.camera_id), "")


def _form(stored: StoredRead, names: Names) -> dict[str, Any]:
    return stored_form(stored) | {"camera_name": _name(stored, names)}


def _row(stored: StoredRead, name: str) -> list[str | Marked]:
    read, details = stored.read, stored.read.details
    captured = moment(read, "captured_at")
    return [
        f"{captured:%Y-%m-%d %H:%M:%S.%f}"[:-3] if captured else "-",
        read.force,
        Marked(read.vrm, "bold"),
        f"{read.confidence:.2f}",
        read.camera_id,
        name or "-",
        place_of(read),
        _seen(details),
        str(details.lane or "-"),
        f"{details.speed_kph:.0f}" if details.HasField("speed_kph") else "-",
        _pictures(stored),
        read.read_id,
        str(stored.position),
    ]


def _seen(details: ReadDetails) -> str:
    """What the camera saw of the vehicle beside its plate."""
    seen = (details.vehicle_colour, details.vehicle_make, details.vehicle_model, details.plate_country)
    return " ".join(filter(None, seen)) or "-"


def _pictures(stored: StoredRead) -> str:
    kinds = ("plate", stored.plate_patch_bytes), ("overview", stored.overview_bytes)
    return " ".join(kind for kind, size in kinds if size) or "-"
