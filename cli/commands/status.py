"""`gantry status`: is everything well?"""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Final

from cli.exits import CliError, Exit
from cli.home import SuiteHome
from cli.inert import inert
from cli.jsonlines import write_json
from cli.links import connect
from cli.live import show
from cli.options import run
from cli.output import counted, note, warn
from cli.panel.draw import forces_table, processes_line, remarks
from cli.panel.observe import PATIENCE_SECONDS, Observer, process_states
from cli.panel.state import MATCH, STORE, DestinationState, ForceState, SuiteState
from cli.verbs import Session, verb
from suite.logfile import lines_from, reason_in
from suite.steps import Phase, is_frozen

_BETWEEN_LOOKS_SECONDS = 1.0
_LOOKED_AT_BYTES = 1 << 16
_RECENT_SECONDS = 60.0
_TROUBLES: Final = {
    "frozen": "is frozen: it was stopped by a signal; `kill -CONT {pid}` lets it go on",
    "silent": "does not answer: it is overloaded or hangs; see {log}",
    "stopped": "has ended",
    "failing": "runs, but says that it cannot serve{why}; see {log}",
}
_RESUME = "`gantry bridge destination resume` lets it deliver again"


@verb
def status(session: Session) -> None:
    """Show processes, buffer, matching and deliveries. Exit code 1 when something is not well."""
    run(_status(session))


async def _status(session: Session) -> None:
    home = SuiteHome(session.home)
    await _require_running(session, home)
    async with connect(session.home, session.person, seconds=PATIENCE_SECONDS) as links:
        observer = Observer(links, links.person.forces)
        state = await observer.look()
        if not all(STORE in force.missing for force in state.forces):
            await asyncio.sleep(_BETWEEN_LOOKS_SECONDS)
            state = await observer.with_rates(state)
    if session.as_json:
        write_json(state.as_json())
    else:
        show(processes_line(state.processes))
        show(forces_table(state.forces))
        _remarks(state, home)
    if not state.ok:
        raise CliError("something is not well; see above")


async def _require_running(session: Session, home: SuiteHome) -> None:
    """CliError unless a suite runs; for one that starts or stops, after showing what runs of it."""
    step = home.step()
    if step is None and (home.belongs_here or not home.processes()):
        raise CliError(home.not_running(None), Exit.UNREACHABLE)
    if step is None or step.phase == Phase.RUNNING:
        return
    processes = await process_states(home)
    if session.as_json:
        seconds = round(step.phase_seconds, 1)
        told = {"phase": step.phase, "seconds": seconds, "said": step.said, "ok": False}
        write_json(told | {"processes": [asdict(process) for process in processes]})
    elif processes:
        show(processes_line(processes))
    raise CliError(home.not_running(None), Exit.UNREACHABLE)


def _remarks(state: SuiteState, home: SuiteHome) -> None:
    _remarks_on_the_suite(home)
    for process in state.processes:
        if sentence := _TROUBLES.get(process.state):
            log = home.folder / "logs" / f"{process.name}.log"
            said = sentence.format(pid=process.pid, log=log, why=_why(log))
            warn(f"{process.name} {said}")
    for sentence in remarks(state.forces):
        warn(sentence)
    for force in state.forces:
        for one in force.destinations:
            _remark(force.force, one)
        if force.overdue_days:
            days = counted(len(force.overdue_days), "day")
            warn(f"{force.force}: {days} over age, waiting for a consumer: {', '.join(force.overdue_days)}")
        if held := _held(force):
            note(f"{force.force}: {held}")


def _why(log: Path) -> str:
    reason = reason_in(lines_from(log, 0, _LOOKED_AT_BYTES))
    return f": {inert(reason)}" if reason else ""


def _remarks_on_the_suite(home: SuiteHome) -> None:
    step = home.step()
    if step is None:
        return
    if step.said and step.said_seconds < _RECENT_SECONDS:
        note(f"{step.said_seconds:.0f} s ago: {step.said}")
    if is_frozen(step.pid):
        warn(f"the suite itself is frozen, and restarts nothing: `kill -CONT {step.pid}` lets it go on")


def _held(force: ForceState) -> str:
    """What the buffer and the hotlists hold, as far as their services have told."""
    kept = "no reads" if force.head == 0 or not force.oldest_day else f"reads since {force.oldest_day}"
    entries = counted(force.entries, "hotlist entry", "hotlist entries")
    told = ((STORE, kept), (MATCH, entries))
    return ", ".join(what for service, what in told if service not in force.missing)


def _remark(force: str, one: DestinationState) -> None:
    """Remarks on a destination."""
    if one.desired != "live":
        note(f"{force}, {one.name}: {one.desired}")
    if one.retired:
        return
    if one.paused:
        warn(f"{force}, {one.name}: paused by a person; {_RESUME}")
    since = f" (since {one.failing_since})" if one.failing_since else ""
    if one.stopped_reason:
        warn(f"{force}, {one.name}: stopped, {one.stopped_reason}; {_RESUME}{since}")
    elif one.last_error:
        warn(f"{force}, {one.name}: {one.last_error}{since}")
    if one.dead_letters:
        warn(f"{force}, {one.name}: {_refused(one.dead_letters)} for good")


def _refused(count: int) -> str:
    return f"{counted(count, 'read')} {'was' if count == 1 else 'were'} refused"
