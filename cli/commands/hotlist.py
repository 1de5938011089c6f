"""`gantry hotlist`: lists of vehicles of interest."""

import uuid
from collections import deque
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from gantry.match.v1.hotlist_pb2 import (
    Hotlist,
    ImportHeader,
    ImportHotlistResponse,
    LineError,
)

from chassis.errors import Fault, InvalidInput
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
from clients.match import is_unspoken
from tables.columns import ignored_sentence, parse_map
from tables.faults import TableError
from tables.layouts import HOTLIST
from tables.table import Table

_CHUNK = 256 * 1024
_LONGEST_HEADER = 8192
_NAMED_LINES = 20
_COLUMNS: Final = (
    Column("force"),
    Column("name", least=12),
    Column("version", right=True, rank=3),
    Column("entries", right=True),
    Column("expired", right=True, rank=4),
    Column("near matches", rank=2),
    Column("active since (UTC)"),
    Column("imported by", rank=1),
)
_ADVICE = {
    "HOTLIST_BROKEN": "repair the file; --allow-broken PERCENT loads the good lines of a file as it is",
    "HOTLIST_EMPTY": "if the list is to become empty, say --allow-empty",
}

FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="CSV with at least the columns vrm and reason, plain or gzip; told by content.",
    ),
]
NameOption = Annotated[
    str | None, typer.Option(help="The list's name; default: the file's.", show_default=False)
]
ExactOnlyOption = Annotated[
    bool, typer.Option("--exact-only", help="No alerts for plates that cameras confuse.")
]
AllowBrokenOption = Annotated[
    int | None,
    typer.Option(
        "--allow-broken",
        metavar="PERCENT",
        min=0,
        max=100,
        help="Load the good lines if at most so many are bad. Default: 50 where a list is replaced.",
        show_default=False,
    ),
]
AllowEmptyOption = Annotated[
    bool,
    typer.Option(
        "--allow-empty", help="A file without a good line, or with ended entries only, replaces the list."
    ),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="OURS=THEIRS",
        help="Where a column of ours is, such as vrm=Registration; repeat.",
        show_default=False,
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Check the file and answer, but leave the list as it is.")
]


@verb
def import_hotlist(
    session: Session,
    file: FileArgument,
    *,
    purpose: PurposeOption,
    force: ForceOption = None,
    name: NameOption = None,
    reference: ReferenceOption = "",
    exact_only: ExactOnlyOption = False,
    allow_broken: AllowBrokenOption = None,
    allow_empty: AllowEmptyOption = False,
    columns: MapOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Import a CSV as a hotlist of a force; it replaces the list of that name.

    Columns are found by name: vrm reason priority markers instruction weed_date make model colour country.
    Only the first two are needed. One line is one entry; a bad line is named and left out.
    """
    if not file.is_file():
        raise CliError(_no_file(file), Exit.USAGE)
    header = ImportHeader(
        name=name or _name_of(file),
        purpose=purpose_of(purpose, reference),
        near_matches=not exact_only,
        request_id=str(uuid.uuid4()),
        max_rejected_percent=allow_broken,
        allow_empty=allow_empty,
        columns=_parsed(columns or []),
        dry_run=dry_run,
    )
    run_patiently(session, "match", lambda: _import(session, file, force, header), takes_its_time=True)


@verb
def list_hotlists(session: Session, force: ForcesOption = None) -> None:
    """List hotlists."""
    run_patiently(session, "match", lambda: _list(session, force or []))


async def send_hotlist(links: Links, path: Path, header: ImportHeader) -> ImportHotlistResponse:
    """Import a file. On return, new reads are matched against it."""
    hotlists = await links.hotlists()
    try:
        return await hotlists.import_csv(header, _chunks(path))
    except Fault as fault:
        if not is_unspoken(fault):
            raise
        # The same request again: it is done once, and this time the service's own words are waited for.
        return await hotlists.import_csv(header, _chunks(path), gently=True)


async def _import(session: Session, path: Path, force: str | None, header: ImportHeader) -> None:
    async with connect(session.home, session.person) as links:
        header.force = one_force(links.person, force)
        before = await _entries_before(links, header)
        try:
            answer = await send_hotlist(links, path, header)
        except InvalidInput as fault:
            raise _refused(fault) from None
    if session.as_json:
        write_json(import_form(header, answer))
        return
    _tell(header, answer, path)
    if answer.entries * 2 < before and not (header.allow_empty and answer.entries == 0):
        if answer.expired_lines > answer.entries:
            advice = "if the file is an old one, import the present one"
        else:
            advice = "if the file was cut off, or has only changes, import the whole list"
        warn(f"the list had {before:,} entries before: {advice}")


async def _entries_before(links: Links, header: ImportHeader) -> int:
    """The entries of the list that the import replaces; 0 when there is none that the person may see."""
    try:
        found = await (await links.hotlists()).hotlists(header.force)
    except Fault:
        return 0
    return next((hotlist.entries for hotlist in found if hotlist.name == header.name), 0)


def _no_file(path: Path) -> str:
    if not path.exists():
        return f"there is no file {path}"
    what = "a folder" if path.is_dir() else "a pipe or device"
    return f"{path} is {what}; give a file, since it may have to be sent twice"


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


def _tell(header: ImportHeader, answer: ImportHotlistResponse, path: Path) -> None:
    entries = counted(answer.entries, "entry", "entries")
    if header.dry_run:
        note(
            f"dry run: hotlist {header.name} of {header.force} would have {entries} active; "
            "nothing was changed"
        )
    else:
        note(f"hotlist {header.name} of {header.force}: {entries} active, version {answer.version}")
    if answer.expired_lines:
        warn(
            f"{counted(answer.expired_lines, 'entry', 'entries')} past the weed date already: "
            "they match nothing"
        )
    if answer.repeated_lines:
        note(
            f"{counted(answer.repeated_lines, 'line')} with a plate that an earlier line has: "
            "each is an entry, and an alert merges them"
        )
    if answer.furniture_lines:
        note(f"{counted(answer.furniture_lines, 'line')} left out as no entry: headers, totals, blank rows")
    if answer.ignored_columns:
        # A column that says DELETE is advised for nothing.
        have_spoken = {one.column for one in answer.errors} & {*answer.ignored_columns}
        found = HOTLIST.ours if have_spoken else _columns_in(path, header)
        note(ignored_sentence(answer.ignored_columns, HOTLIST, found))
    _tell_lines(f"{counted(len(answer.remarks), 'remark')}:", answer.remarks)
    _tell_lines(f"{counted(answer.rejected_lines, 'line')} left out:", answer.errors)


def _columns_in(path: Path, header: ImportHeader) -> Collection[str]:
    """Those of our columns that the file has, for which no other of its columns is advised."""
    table = Table(HOTLIST, header.columns, longest=_LONGEST_HEADER)
    try:
        with path.open("rb") as file:
            while table.header is None and (chunk := file.read(_CHUNK)):
                deque(table.feed(chunk), maxlen=0)
        if table.header is None:
            deque(table.finish(), maxlen=0)
    except (OSError, TableError):
        return HOTLIST.ours
    return table.found.places


def _tell_lines(heading: str, lines: Sequence[LineError]) -> None:
    if not lines:
        return
    warn(heading)
    for one in lines[:_NAMED_LINES]:
        warn(f"  line {one.line}{f', {one.column}' if one.column else ''}: {one.message}")
    if len(lines) > _NAMED_LINES:
        note(f"  and more; --json names the first {len(lines)}")


def _parsed(pairs: Sequence[str]) -> dict[str, str]:
    try:
        return parse_map(pairs, HOTLIST)
    except TableError as fault:
        raise CliError(fault.message, Exit.USAGE) from None


def _name_of(file: Path) -> str:
    return file.name.removesuffix(".gz").removesuffix(".csv").removesuffix(".txt").removesuffix(".tsv")


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
    counts = (str(hotlist.version), f"{hotlist.entries:,}", f"{hotlist.expired_entries:,}")
    return [force, hotlist.name, *counts, near, since, hotlist.imported_by]
