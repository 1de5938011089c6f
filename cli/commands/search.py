"""`gantry search`: where was this vehicle?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import ForcesOption, PurposeOption, ReferenceOption, purpose_of, run, time_of
from cli.output import note, plain, table, write_json
from cli.verbs import Session

if TYPE_CHECKING:
    from gantry.store.v1.store_pb2 import SearchReadsRequest, StoredRead

_PAGE = 1000


def search(
    session: Session,
    vrm: Annotated[str, typer.Argument(help="The plate, exact; blanks and case do not matter.")],
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
    from gantry.store.v1.store_pb2 import SearchReadsRequest

    request = SearchReadsRequest(
        forces=force or (),
        purpose=purpose_of(purpose, reference),
        vrm=vrm,
        captured_from=time_of(since, "--from"),
        captured_to=time_of(until, "--to"),
    )
    run(_search(session, request, force or [], limit))


async def _search(session: Session, request: "SearchReadsRequest", forces: list[str], limit: int) -> None:
    from cli.links import connect

    async with connect(session.home, session.person) as links:
        del request.forces[:]
        request.forces.extend(links.person.chosen(forces))
        found, more = await _pages(await links.store(), request, limit)
    if session.as_json:
        from cli.forms import stored_form

        write_json({"reads": [stored_form(read) for read in found], "more": more})
        return
    _show(found, more, limit)


async def _pages(store: Any, request: "SearchReadsRequest", limit: int) -> "tuple[list[StoredRead], bool]":
    found: list[StoredRead] = []
    while True:
        request.page_size = min(_PAGE, limit - len(found))
        page = await store.SearchReads(request)
        found += page.reads
        request.page_token = page.next_page_token
        if not request.page_token or len(found) >= limit:
            return found, bool(request.page_token)


def _show(found: "list[StoredRead]", more: bool, limit: int) -> None:
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


def _row(stored: "StoredRead") -> list[str]:
    from cli.forms import moment

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
