"""`gantry status`: is everything well?"""

import asyncio

from cli.exits import CliError, Exit
from cli.jsonlines import write_json
from cli.links import connect
from cli.live import show
from cli.options import run
from cli.output import counted, note, warn
from cli.panel.draw import forces_table, processes_line
from cli.panel.observe import PATIENCE_SECONDS, Observer
from cli.panel.state import DestinationState, SuiteState
from cli.verbs import Session, verb

_BETWEEN_LOOKS_SECONDS = 1.0
_RESUME = "`gantry bridge destination resume` lets it deliver again"


@verb
def status(session: Session) -> None:
    """Show processes, buffer, matching and deliveries. Exit code 1 when something is not well."""
    run(_status(session))


async def _status(session: Session) -> None:
    async with connect(session.home, session.person, seconds=PATIENCE_SECONDS) as links:
        if not links.home.processes():
            raise CliError(
                f"no suite is running in {session.home}: start one with `gantry up`", Exit.UNREACHABLE
            )
        observer = Observer(links, links.person.forces)
        state = await observer.look()
        if not any(force.problem for force in state.forces):
            # A rate needs two observations. When no service answers, the person has waited long enough.
            await asyncio.sleep(_BETWEEN_LOOKS_SECONDS)
            state = await observer.look()
    if session.as_json:
        write_json(state.as_json())
    else:
        show(processes_line(state.processes))
        show(forces_table(state.forces))
        _remarks(state)
    if not state.ok:
        raise CliError("something is not well; see above")


def _remarks(state: SuiteState) -> None:
    for force in state.forces:
        for one in force.destinations:
            _remark(force.force, one)
        if force.overdue_days:
            days = counted(len(force.overdue_days), "day")
            warn(f"{force.force}: {days} over age, waiting for a consumer: {', '.join(force.overdue_days)}")
        if force.oldest_day:
            entries = counted(force.entries, "hotlist entry", "hotlist entries")
            note(f"{force.force}: reads since {force.oldest_day}, {entries}")


def _remark(force: str, one: DestinationState) -> None:
    """Remarks on a destination."""
    if one.desired != "live":
        note(f"{force}, {one.name}: {one.desired}")
    if one.retired:
        return
    if one.paused:
        warn(f"{force}, {one.name}: paused by a person; {_RESUME}")
    if one.stopped_reason:
        warn(f"{force}, {one.name}: stopped, {one.stopped_reason}; {_RESUME}")
    if one.last_error:
        since = f" (since {one.failing_since})" if one.failing_since else ""
        warn(f"{force}, {one.name}: {one.last_error}{since}")
    if one.dead_letters:
        warn(f"{force}, {one.name}: {_refused(one.dead_letters)} for good")


def _refused(count: int) -> str:
    return f"{counted(count, 'read')} {'was' if count == 1 else 'were'} refused"
