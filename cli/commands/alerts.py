"""`gantry alerts`: watches alerts, lists them, and takes them in hand."""

from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.match.v1.alert_pb2 import (
    MATCH_KIND_EXACT,
    MATCH_KIND_NEAR,
    MATCH_KIND_UNSPECIFIED,
    Acknowledgement,
    Alert,
    AlertFilter,
)

from cli.alert_text import show_alert, taken_already_text, taken_text
from cli.exits import CliError, Exit
from cli.forms import acknowledgement_form, alert_form
from cli.jsonlines import write_json
from cli.links import connect
from cli.options import (
    ForceOption,
    ForcesOption,
    PurposeOption,
    ReferenceOption,
    first,
    one_force,
    period_of,
    purpose_of,
    run,
)
from cli.output import Marked, note, note_cut, say, warn
from cli.patience import quiet_note, run_patiently
from cli.verbs import Session, verb
from cli.watching import Event, Watch, watched


class Kind(StrEnum):
    """How a read matched."""

    EXACT = "exact"
    NEAR = "near"


AlertIdArgument = Annotated[
    str, typer.Argument(metavar="ALERT_ID", help="The alert, as `watch` and `list` show it.")
]
_PAGE = 1000
_KINDS = {Kind.EXACT: MATCH_KIND_EXACT, Kind.NEAR: MATCH_KIND_NEAR}


HotlistsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--hotlist", metavar="NAME", help="Only alerts of this hotlist; repeat for more.", show_default=False
    ),
]
CamerasOption = Annotated[
    list[str] | None,
    typer.Option(
        "--camera", metavar="ID", help="Only reads of this camera; repeat for more.", show_default=False
    ),
]
PriorityOption = Annotated[
    int | None,
    typer.Option(
        "--priority",
        metavar="1-9",
        min=1,
        max=9,
        help="Only this priority and higher ones; 1 is the highest.",
        show_default=False,
    ),
]
KindOption = Annotated[
    Kind | None, typer.Option("--kind", help="Only exact or only near matches.", show_default=False)
]


@dataclass(frozen=True)
class Wanted:
    """The alerts to list."""

    purpose: Purpose
    filter: AlertFilter
    open_only: bool
    since: datetime | None
    until: datetime | None
    limit: int


@verb
def watch(
    session: Session,
    *,
    purpose: PurposeOption,
    force: ForcesOption = None,
    reference: ReferenceOption = "",
    earliest: Annotated[
        bool, typer.Option("--earliest", help="Begin with the first alert that is kept.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Stop when all past alerts have been shown.")] = False,
    after: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER",
            min=0,
            help="Go on after the event with this number, where an earlier watch ended; for one force.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many alerts.", show_default=False)
    ] = None,
    hotlist: HotlistsOption = None,
    camera: CamerasOption = None,
    priority: PriorityOption = None,
    kind: KindOption = None,
) -> None:
    """Watch alerts as they are raised. It reconnects by itself and misses none."""
    if after is not None and earliest:
        raise CliError("--after and --earliest exclude each other", Exit.USAGE)

    say = quiet_note(as_json=session.as_json)
    only = _filter(hotlist, camera, priority, kind)
    wish = Watch(purpose_of(purpose, reference), earliest, once, after, say, only)
    run(_watch(session, force or [], wish, limit))


@verb
def list_alerts(
    session: Session,
    *,
    purpose: PurposeOption,
    force: ForcesOption = None,
    reference: ReferenceOption = "",
    open_only: Annotated[
        bool, typer.Option("--open", help="Only alerts without an acknowledgement.")
    ] = False,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Raised at or after.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Raised before.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most alerts of each force, newest first.")] = 50,
    hotlist: HotlistsOption = None,
    camera: CamerasOption = None,
    priority: PriorityOption = None,
    kind: KindOption = None,
) -> None:
    """List alerts, newest first."""
    only = _filter(hotlist, camera, priority, kind)
    wanted = Wanted(purpose_of(purpose, reference), only, open_only, *period_of(since, until), limit)
    run_patiently(session, "match", lambda: _list(session, force or [], wanted))


@verb
def show(
    session: Session,
    alert_id: AlertIdArgument,
    *,
    purpose: PurposeOption,
    force: ForceOption = None,
    reference: ReferenceOption = "",
) -> None:
    """Show one alert as it now is."""
    why = purpose_of(purpose, reference)
    run_patiently(session, "match", lambda: _show_one(session, force, alert_id, why))


@verb
def ack(
    session: Session,
    alert_id: AlertIdArgument,
    *,
    purpose: PurposeOption,
    force: ForceOption = None,
    reference: ReferenceOption = "",
    message: Annotated[str, typer.Option("--note", help="A remark.", show_default=False)] = "",
) -> None:
    """Say that you have taken an alert in hand. The first to say so stands (exit code 6: not you)."""
    why = purpose_of(purpose, reference)
    run_patiently(session, "match", lambda: _ack(session, force, alert_id, why, message))


def _filter(
    hotlists: list[str] | None, cameras: list[str] | None, priority: int | None, kind: Kind | None
) -> AlertFilter:
    return AlertFilter(
        hotlists=hotlists or (),
        camera_ids=cameras or (),
        lowest_priority=priority or 0,
        kind=_KINDS[kind] if kind else MATCH_KIND_UNSPECIFIED,
    )


async def _watch(session: Session, forces: list[str], watch: Watch, limit: int | None) -> None:
    async with connect(session.home, session.person) as links:
        chosen = links.person.chosen(forces)
        if watch.after is not None and len(chosen) > 1:
            raise CliError("numbers count the events of one force: say which with --force", Exit.USAGE)
        numbers: dict[str, int] = {}
        shown, alerts = False, 0
        try:
            async with aclosing(watched(links, chosen, watch)) as events:
                async for event in events:
                    _show(event, as_json=session.as_json)
                    # Not before: an event that could not be written has to come again after this number.
                    numbers[event.force] = event.number
                    shown |= event.alert is not None or event.acknowledgement is not None
                    alerts += event.alert is not None
                    if alerts == limit:
                        break
            if not shown and not session.as_json:
                note("no alerts" if watch.earliest else "no new alerts; --earliest shows those before")
        finally:
            if not session.as_json:
                for force, number in numbers.items():
                    note(f"go on from here: --force {force} --after {number}")


async def _list(session: Session, forces: list[str], wanted: Wanted) -> None:
    found: list[Alert] = []
    cut: list[str] = []
    async with connect(session.home, session.person) as links:
        chosen, alerts = links.person.chosen(forces), await links.alerts()
        for force in chosen:
            newest = alerts.alerts(
                force,
                wanted.purpose,
                open_only=wanted.open_only,
                raised_from=wanted.since,
                raised_to=wanted.until,
                page_size=min(_PAGE, wanted.limit + 1),
                wanted=wanted.filter,
            )
            page = [alert async for alert in first(newest, wanted.limit + 1)]
            found += page[: wanted.limit]
            cut += [force] if len(page) > wanted.limit else []
    found.sort(key=lambda alert: alert.raised_at.ToMicroseconds(), reverse=True)
    if session.as_json:
        forms = [alert_form(alert) | {"force": alert.read.force} for alert in found]
        write_json({"alerts": forms, "more": bool(cut)})
        return
    if not found:
        note("no alerts")
    for alert in found:
        show_alert(alert)
    note_cut(cut, wanted.limit)


async def _show_one(session: Session, force: str | None, alert_id: str, purpose: Purpose) -> None:
    async with connect(session.home, session.person) as links:
        chosen = one_force(links.person, force)
        alert = await (await links.alerts()).alert(chosen, alert_id, purpose)
    if session.as_json:
        write_json(alert_form(alert) | {"force": chosen})
    else:
        show_alert(alert)


async def _ack(session: Session, force: str | None, alert_id: str, purpose: Purpose, message: str) -> None:
    async with connect(session.home, session.person) as links:
        chosen, me = one_force(links.person, force), links.person.name
        stands = await (await links.alerts()).acknowledge(chosen, alert_id, purpose, note=message)
    already = not _is_ours(stands, me, message.strip())
    if session.as_json:
        write_json(acknowledgement_form(alert_id, stands) | {"force": chosen, "already": already})
    elif already:
        warn(taken_already_text(alert_id, stands, me, dropped=bool(message.strip())))
    else:
        note(taken_text(alert_id, stands, me))
    if already:
        raise typer.Exit(Exit.ALREADY)


def _is_ours(stands: Acknowledgement, person: str, message: str) -> bool:
    """Whether the alert is in our hand, since now or earlier, and our remark was kept."""
    return stands.person == person and message in ("", stands.note)


def _show(event: Event, *, as_json: bool) -> None:
    if as_json:
        if (form := event.as_json()) is not None:
            write_json(form)
    elif event.alert is not None:
        show_alert(event.alert)
    elif event.acknowledgement is not None:
        say(Marked(f"{event.force}: {taken_text(event.alert_id, event.acknowledgement)}", "dim"))
