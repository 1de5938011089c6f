"""`gantry search`: where was this vehicle?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.store.v1.search_pb2 import StoredRead

from cli.forms import moment, stored_form
from cli.jsonlines import write_json
from cli.links import connect
from cli.options import ForcesOption, PurposeOption, ReferenceOption, period_of, purpose_of
from cli.output import note, plain, table
from cli.patience import run_patiently
from cli.verbs import Session, verb
from clients.search import SearchClient

_PAGE = 1000


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
    run_patiently(session, "store", lambda: _search(session, force or [], query))


async def _search(session: Session, forces: list[str], query: Query) -> None:
    async with connect(session.home, session.person) as links:
        chosen = links.person.chosen(forces)
        found = await _found(await links.search(), chosen, query)
    more = len(found) > query.limit
    found = found[: query.limit]
    if session.as_json:
        write_json({"reads": [stored_form(read) for read in found], "more": more})
        return
    _show(found, more, query.limit)


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


def _show(found: list[StoredRead], more: bool, limit: int) -> None:
    if not found:
        note("no read of this plate in the buffer")
        return
    columns = (
        "captured (UTC)",
        "force",
        "camera",
        "plate",
        "conf",
        "place",
        "lane",
        "km/h",
        "read_id",
        "position",
    )
    table(columns, [_row(read) for read in found], right=("conf", "lane", "km/h", "position"))
    if more:
        note(f"the newest {limit:,} are shown; --limit shows more")


def _row(stored: StoredRead) -> list[str]:
    read = stored.read
    captured = moment(read, "captured_at")
    place = (
        f"{read.position.latitude:.5f} {read.position.longitude:.5f}" if read.HasField("position") else "-"
    )
    return [
        f"{captured:%Y-%m-%d %H:%M:%S.%f}"[:-3] if captured else "-",
        read.force,
        plain(read.camera_id),
        f"[bold]{plain(read.vrm)}[/bold]",
        f"{read.confidence:.2f}",
        place,
        str(read.details.lane or "-"),
        f"{read.details.speed_kph:.0f}" if read.details.HasField("speed_kph") else "-",
        plain(read.read_id),
        str(stored.position),
    ]
