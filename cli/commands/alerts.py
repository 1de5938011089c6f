"""`gantry alerts`: watch them come, take them in hand."""

from typing import Annotated

import typer
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.match.v1.alert_pb2 import Acknowledgement

from cli.alert_text import alert_text, taken_already_text, taken_text
from cli.exits import CliError, Exit
from cli.forms import acknowledgement_form
from cli.jsonlines import write_json
from cli.links import connect
from cli.options import (
    ForceOption,
    ForcesOption,
    PurposeOption,
    ReferenceOption,
    one_force,
    purpose_of,
    run,
)
from cli.output import console, note, plain, warn
from cli.patience import quiet_note, run_patiently
from cli.verbs import Session, verb
from cli.watching import Event, Watch, watched


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
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN", help="Go on after an earlier watch; for one force.", show_default=False
        ),
    ] = None,
) -> None:
    """Watch alerts as they are raised. It reconnects by itself and misses none."""
    if resume is not None and earliest:
        raise CliError("--resume and --earliest exclude each other", Exit.USAGE)

    say = quiet_note(as_json=session.as_json)
    run(_watch(session, force or [], Watch(purpose_of(purpose, reference), earliest, once, resume, say)))


@verb
def ack(
    session: Session,
    alert_id: Annotated[str, typer.Argument(metavar="ALERT_ID", help="The alert, as `watch` shows it.")],
    *,
    purpose: PurposeOption,
    force: ForceOption = None,
    reference: ReferenceOption = "",
    message: Annotated[str, typer.Option("--note", help="A remark.", show_default=False)] = "",
) -> None:
    """Say that you have taken an alert in hand. The first to say so stands (exit code 6: not you)."""
    why = purpose_of(purpose, reference)
    run_patiently(session, "match", lambda: _ack(session, force, alert_id, why, message))


async def _watch(session: Session, forces: list[str], watch: Watch) -> None:

    async with connect(session.home, session.person) as links:
        chosen = links.person.chosen(forces)
        if watch.resume_token is not None and len(chosen) > 1:
            raise CliError("a resume token is of one force: say which with --force", Exit.USAGE)
        tokens: dict[str, str] = {}
        shown = False
        try:
            async for event in watched(links, chosen, watch):
                tokens[event.force] = event.resume_token
                shown |= event.alert is not None or event.acknowledgement is not None
                _show(event, as_json=session.as_json)
        finally:
            if not session.as_json:
                if watch.once and not shown:
                    note("no alerts" if watch.earliest else "no new alerts; --earliest shows those before")
                for force, token in tokens.items():
                    note(f"go on from here: --force {force} --resume {token}")


async def _ack(session: Session, force: str | None, alert_id: str, purpose: Purpose, message: str) -> None:

    async with connect(session.home, session.person) as links:
        chosen, me = one_force(links.person, force), links.person.name
        stands = await (await links.alerts()).acknowledge(chosen, alert_id, purpose, note=message)
    already = not _is_ours(stands, me, message.strip())
    if session.as_json:
        write_json(acknowledgement_form(stands) | {"force": chosen, "already": already})
    elif already:
        warn(taken_already_text(stands, me, dropped=bool(message.strip())))
    else:
        note(taken_text(stands, me))
    if already:
        raise typer.Exit(Exit.ALREADY)


def _is_ours(stands: Acknowledgement, person: str, message: str) -> bool:
    """Whether what we asked for stands, be it since an earlier time: in our hand, and no remark lost."""
    return stands.person == person and message in ("", stands.note)


def _show(event: Event, *, as_json: bool) -> None:

    if as_json:
        if (form := event.as_json()) is not None:
            write_json(form)
    elif event.alert is not None:
        console().print(alert_text(event.alert))
    elif event.acknowledgement is not None:
        console().print(f"[dim]{event.force}: {plain(taken_text(event.acknowledgement))}[/dim]")
