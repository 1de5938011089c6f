"""`gantry hotlist`: lists of vehicles of interest."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Final

import typer
from gantry.match.v1.hotlist_pb2 import Hotlist, ImportHeader, ImportHotlistResponse

from chassis.errors import InvalidInput
from cli.exits import CliError, Exit
from cli.faults import from_fault
from cli.forms import hotlist_form, import_form, moment
from cli.jsonlines import write_json
from cli.links import Links, connect
from cli.options import (
    ForceOption,
    ForcesOption,
    PurposeOption,
    ReferenceOption,
    one_force,
    purpose_of,
)
from cli.output import Column, counted, local_time, note, table, warn
from cli.patience import run_patiently
from cli.verbs import Session, verb

_CHUNK = 256 * 1024
_NAMED_LINES = 20
_COLUMNS: Final = (
    Column("force"),
    Column("name", least=12),
    Column("version", right=True, rank=3),
    Column("entries", right=True),
    Column("near matches", rank=2),
    Column("active since (UTC)"),
    Column("imported by", rank=1),
)
_ADVICE = {
    "HOTLIST_BROKEN": "repair the file; --allow-broken PERCENT loads the good lines of a file as it is",
    "HOTLIST_EMPTY": "if the list is to become empty, say --allow-empty",
}


@verb
def import_hotlist(
    session: Session,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV with at least the columns vrm and reason.")
    ],
    *,
    purpose: PurposeOption,
    force: ForceOption = None,
    name: Annotated[
        str | None, typer.Option(help="The list's name; default: the file's.", show_default=False)
    ] = None,
    reference: ReferenceOption = "",
    exact_only: Annotated[
        bool, typer.Option("--exact-only", help="No alerts for plates that cameras confuse.")
    ] = False,
    allow_broken: Annotated[
        int | None,
        typer.Option(
            "--allow-broken",
            metavar="PERCENT",
            min=0,
            max=100,
            help="Load the good lines if at most so many are bad. Default: 50 where a list is replaced.",
            show_default=False,
        ),
    ] = None,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="A file without a good line makes the list empty.")
    ] = False,
) -> None:
    """Import a CSV as a hotlist of a force; it replaces the list of that name."""
    if not file.is_file():
        raise CliError(f"{file} is not a file", Exit.USAGE)
    header = ImportHeader(
        name=name or file.name.removesuffix(".csv"),
        purpose=purpose_of(purpose, reference),
        near_matches=not exact_only,
        request_id=str(uuid.uuid4()),
        max_rejected_percent=allow_broken,
        allow_empty=allow_empty,
    )
    run_patiently(session, "match", lambda: _import(session, file, force, header), takes_its_time=True)


@verb
def list_hotlists(session: Session, force: ForcesOption = None) -> None:
    """List hotlists."""
    run_patiently(session, "match", lambda: _list(session, force or []))


async def send_hotlist(links: Links, path: Path, header: ImportHeader) -> ImportHotlistResponse:
    """Import a file. On return, new reads are matched against it."""
    return await (await links.hotlists()).import_csv(header, _chunks(path))


async def _import(session: Session, path: Path, force: str | None, header: ImportHeader) -> None:
    async with connect(session.home, session.person) as links:
        header.force = one_force(links.person, force)
        try:
            answer = await send_hotlist(links, path, header)
        except InvalidInput as fault:
            raise _refused(fault) from None
    if session.as_json:
        write_json(import_form(header.force, header.name, answer))
        return
    _tell(header, answer)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _refused(fault: InvalidInput) -> CliError:
    """The error for a refused file, with its first bad lines and what the person can do."""
    error = from_fault(fault)
    notes = [f"  {line}" for line in fault.metadata.get("errors", "").splitlines()]
    if fault.reason in _ADVICE:
        notes.append(_ADVICE[fault.reason])
    return CliError(error.message, error.code, reason=error.reason, more=notes)


def _tell(header: ImportHeader, answer: ImportHotlistResponse) -> None:
    entries = counted(answer.entries, "entry", "entries")
    note(f"hotlist {header.name} of {header.force}: {entries} active, version {answer.version}")
    if answer.repeated_lines:
        note(f"{counted(answer.repeated_lines, 'line')} gave way to a later one with the same plate")
    if answer.ignored_columns:
        note(f"columns ignored: {', '.join(answer.ignored_columns)}")
    if answer.rejected_lines:
        warn(f"{counted(answer.rejected_lines, 'line')} left out:")
        for error in answer.errors[:_NAMED_LINES]:
            warn(f"  line {error.line}{f', {error.column}' if error.column else ''}: {error.message}")


async def _list(session: Session, forces: list[str]) -> None:
    found: list[tuple[str, Hotlist]] = []
    async with connect(session.home, session.person) as links:
        chosen, hotlists = links.person.chosen(forces), await links.hotlists()
        for force in chosen:
            found += [(force, hotlist) for hotlist in await hotlists.hotlists(force)]
    if session.as_json:
        write_json({"hotlists": [hotlist_form(*one) for one in found]})
        return
    if not found:
        note("no hotlists; `gantry hotlist import` loads one")
        return
    table(_COLUMNS, [_row(*one) for one in found])


def _row(force: str, hotlist: Hotlist) -> list[str]:
    near = "yes" if hotlist.near_matches else "no"
    since = local_time(moment(hotlist, "activated_at"))
    counts = (str(hotlist.version), f"{hotlist.entries:,}")
    return [force, hotlist.name, *counts, near, since, hotlist.imported_by]
