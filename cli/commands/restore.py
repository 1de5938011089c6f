"""`gantry restore`: a site from an archive, into an empty folder."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.exits import CliError, Exit
from cli.jsonlines import write_json
from cli.output import counted, local_time, note, say, warn
from cli.places import nameable
from cli.verbs import Session, verb
from suite.backup.restore import Restored, Wish
from suite.backup.restore import restore as restore_site
from suite.backup.settings import ARCHIVE, identity_in


@verb
def restore(
    session: Session,
    *,
    archive: Annotated[Path, typer.Option("--archive", envvar=ARCHIVE, help="Folder of the archive.")],
    identity: Annotated[Path, typer.Option(help="File with the age identity.")],
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="As of this time, such as 2026-11-27T14:02:00Z.", show_default=False
        ),
    ] = None,
) -> None:
    """Restore a site from an archive into an empty folder.

    Without --at, the newest state. `gantry up` starts the site. Search and alerts stay closed until it has
    deleted again what was deleted since the backup.
    """
    wish = Wish(nameable(archive), identity_in(nameable(identity)), session.home, _moment(at))
    done = asyncio.run(restore_site(wish, (lambda _: None) if session.as_json else note))
    if session.as_json:
        write_json(done.as_json())
    else:
        _show(done, session.home)


def _show(done: Restored, home: Path) -> None:
    reached = done.at or done.complete_to or done.base.ended_at
    say(
        f"restored to {local_time(reached)} in {done.seconds:.0f} s: base copy {done.base.name}, "
        f"{counted(done.objects, 'picture object')}"
    )
    say(done.replayed.sentence)
    for name in done.replayed.hotlists:
        warn(f"hotlist {name} was imported since, and has no entries now: import it again")
    if done.base.images != "archive":
        warn(f"the pictures are in {done.base.images}, which the archive does not cover")
    note(f"start it with `gantry up --home {home}`; see docs/recovery.md for the steps after that")


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(f"--at {text}: give a time such as 2026-11-27T14:02:00Z", Exit.USAGE) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
