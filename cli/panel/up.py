"""Starts a suite and cameras, and shows the panel until it is stopped."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import uvloop
from gantry.common.v1.purpose_pb2 import Purpose
from rich.live import Live

from chassis.errors import Fault
from cli.exits import CliError
from cli.fleet import (
    HOTLIST,
    PROCESS,
    FleetOrder,
    drawn_alike,
    drawn_reads,
    enrol_fleet,
    import_hotlists,
    note_drawn,
    run_without_images,
    start_fleet,
)
from cli.grpc_lines import show_grpc_lines_of_processes
from cli.home import SuiteHome
from cli.interrupts import cancel_current, interruptible, on_interrupt
from cli.jsonlines import write_json
from cli.links import Links
from cli.live import live_console
from cli.options import first
from cli.output import note, say
from cli.panel.alert_lines import AlertBoard
from cli.panel.draw import draw, status_line
from cli.panel.observe import PATIENCE_SECONDS, Observer
from cli.panel.state import ProcessState, SuiteState
from cli.tokens import TokenFile
from cli.verbs import Session
from cli.watching import Watch, watched
from suite.backup.settings import settings_from
from suite.child import Child, told_end
from suite.settings import FORCES, SuiteSettings
from suite.suite import Suite, remembered_forces

_LOOK_SECONDS: Final = 1.0
_LINE_EVERY_SECONDS: Final = 5.0
_LATEST_ALERTS: Final = 8
_FRESH: Final = timedelta(days=1)
_CAMERAS_STOP_SECONDS: Final = 15.0
_RESTART_SECONDS: Final = 2.0
_WELL_SECONDS: Final = 5.0
# The simulated cameras send fewer batches than this, so `gantry trace` shows the hops of nearly every read.
_TRACES_PER_SECOND: Final = 100.0


@dataclass(frozen=True)
class Wish:
    """The options of `gantry up`."""

    cameras: bool
    rate: float
    seed: int
    seconds: float | None
    base_port: int
    purpose: str
    forces: tuple[str, ...] = ()
    canary: bool = True


@dataclass
class Scene:
    """A running suite with all that the panel needs."""

    suite: Suite
    links: Links
    quick: Links
    wish: Wish
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    alerts: AlertBoard = field(default_factory=lambda: AlertBoard(_LATEST_ALERTS))
    cameras: Child | None = None
    said: str = ""
    lasting: bool = False
    well_since: float | None = None

    def say(self, text: str, *, lasting: bool = False) -> None:
        """Show a sentence under the panel. Unless `lasting`, it goes once all has been well for a while."""
        self.said, self.lasting, self.well_since = text, lasting, None

    def looked(self, state: SuiteState, now: float) -> None:
        """Remove the sentence when all processes have been well for some seconds."""
        if not all(process.ok for process in state.processes):
            self.well_since = None
        elif self.well_since is None:
            self.well_since = now
        elif now - self.well_since >= _WELL_SECONDS and not self.lasting:
            self.said = ""


def run_up(session: Session, wish: Wish) -> None:
    """Run until stopped, or for `wish.seconds`. SuiteError when something does not start."""
    show_grpc_lines_of_processes()
    with interruptible():
        uvloop.run(_up(session, wish))


async def _up(session: Session, wish: Wish) -> None:
    talk = _Talk(quiet=session.as_json)
    forces = wish.forces or remembered_forces(session.home) or FORCES
    settings = SuiteSettings(
        session.home,
        forces,
        wish.base_port,
        traces_per_second=_TRACES_PER_SECOND,
        backup=settings_from(os.environ),
        canary=wish.canary,
    )
    suite = Suite(settings, say=talk.say)
    with on_interrupt(_stopper(talk, cancel_current()), again=partial(_end_now, suite, talk)):
        async with suite:
            home = SuiteHome(suite.layout.folder)
            person = home.person(session.person)
            async with Links(home, person) as links, Links(home, person, seconds=PATIENCE_SECONDS) as quick:
                await _run(Scene(suite, links, quick, wish), session, talk)


async def _run(scene: Scene, session: Session, talk: "_Talk") -> None:
    async with _cameras(scene, talk):
        talk.scene = scene
        try:
            await _show_until_stopped(scene, session)
        finally:
            talk.scene = None
            talk.say("stopping, cameras first; Ctrl-C again ends all at once")


def _stopper(talk: "_Talk", give_up: Callable[[], object]) -> Callable[[], None]:
    """The action of the first Ctrl-C: end the panel, or the start when there is no panel yet."""

    def stop() -> None:
        if talk.scene is not None:
            talk.scene.stop.set()
        else:
            talk.say("stopping")
            give_up()

    return stop


def _end_now(suite: Suite, talk: "_Talk") -> None:
    talk.say("ending all at once")
    suite.end_now()


class _Talk:
    """Shows the suite's remarks: as lines at first, then in the panel."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self.scene: Scene | None = None

    def say(self, text: str) -> None:
        """Show a remark."""
        if self.scene is not None:
            self.scene.say(text)
        elif not self._quiet:
            note(text)


@contextlib.asynccontextmanager
async def _cameras(scene: Scene, talk: "_Talk") -> AsyncIterator[None]:
    if not scene.wish.cameras:
        yield
        return
    active = [force.code for force in await (await scene.links.forces()).forces()]
    forces = tuple(force for force in scene.suite.settings.forces if force in active)
    if not forces:
        raise CliError("no force is active, so that no simulated camera can send: add one, or --no-cameras")
    order = FleetOrder(scene.wish.seed, scene.wish.rate, forces=forces)
    talk.say("enrolling the simulated cameras")
    await enrol_fleet(scene.links, order.world())
    tasks = [
        asyncio.create_task(_keep_cameras(scene, order), name="cameras"),
        asyncio.create_task(_give_hotlists(scene, order), name="hotlists"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if scene.cameras is not None:
            try:
                await scene.cameras.stop(((signal.SIGTERM, _CAMERAS_STOP_SECONDS),))
            finally:
                scene.cameras.send(signal.SIGKILL)  # when a second Ctrl-C has ended the wait


async def _keep_cameras(scene: Scene, order: FleetOrder) -> None:
    """Start the cameras, and restart them whenever they end."""
    tokens = TokenFile.of(scene.links.home)
    while True:
        scene.cameras = start_fleet(scene.suite, tokens, order)
        code = await scene.cameras.exited()
        scene.say(f"The cameras: the process {told_end(code)} and is being started again")
        await asyncio.sleep(_RESTART_SECONDS)


async def _give_hotlists(scene: Scene, order: FleetOrder) -> None:
    """Import hotlists in the background: choosing the vehicles takes seconds."""
    try:
        if not (drawn_alike(scene.suite.layout, order) and await _has_fresh_hotlists(scene.links)):
            scene.say("Loading hotlists of vehicles that the cameras will meet", lasting=True)
            await _load_hotlists(scene, order)
            scene.say("")
    except (Fault, CliError) as error:
        scene.say(f"The hotlists could not be loaded: {error}", lasting=True)


async def _load_hotlists(scene: Scene, order: FleetOrder) -> None:
    now, layout = datetime.now(UTC), scene.suite.layout
    reads = await asyncio.to_thread(drawn_reads, order.world(), run_without_images(order, now))
    reason = "Demonstration list for the simulated cameras"
    await import_hotlists(
        scene.links, layout.hotlists, reads, seed=order.seed, today=now.date(), reason=reason
    )
    note_drawn(layout, order)


async def _has_fresh_hotlists(links: Links) -> bool:
    hotlists = await links.hotlists()
    for force in links.person.forces:
        ages = [
            datetime.now(UTC) - hotlist.activated_at.ToDatetime(tzinfo=UTC)
            for hotlist in await hotlists.hotlists(force)
            if hotlist.name == HOTLIST
        ]
        if not ages or min(ages) > _FRESH:
            return False
    return True


async def _show_until_stopped(scene: Scene, session: Session) -> None:
    showing = (
        _show_panel(scene) if sys.stdout.isatty() and not session.as_json else _show_lines(scene, session)
    )
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(showing, name="panel"),
        asyncio.create_task(_collect_alerts(scene), name="panel alerts"),
        asyncio.create_task(scene.suite.watch(), name="suite watch"),
        asyncio.create_task(scene.stop.wait(), name="stop"),
    ]
    try:
        done, _ = await asyncio.wait(tasks, timeout=scene.wish.seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _collect_alerts(scene: Scene) -> None:
    watch = Watch(Purpose(justification=scene.wish.purpose))
    while True:
        with contextlib.suppress(CliError, Fault):
            begun: set[str] = set()
            async for event in watched(scene.links, scene.links.person.forces, watch):
                if event.alert is not None:
                    scene.alerts.add(event.alert)
                if event.force not in begun:
                    # Not before: an alert that is raised between the list and the watch would be missing.
                    begun.add(event.force)
                    await _show_open(scene, event.force, watch.purpose)
        await asyncio.sleep(_RESTART_SECONDS)


async def _show_open(scene: Scene, force: str, purpose: Purpose) -> None:
    """Show the alerts that nobody has taken in hand yet, also those from before a restart."""
    alerts = await scene.links.alerts()
    newest = alerts.alerts(force, purpose, open_only=True, page_size=_LATEST_ALERTS)
    async for alert in first(newest, _LATEST_ALERTS):
        scene.alerts.add(alert)


async def _show_panel(scene: Scene) -> None:
    observer = Observer(scene.quick, scene.quick.person.forces)
    with Live(console=live_console(), auto_refresh=False, screen=False, transient=False) as live:
        while True:
            state = await _look(scene, observer)
            live.update(draw(state, f"Gantry in {scene.suite.settings.folder}", _hint(scene)), refresh=True)
            await asyncio.sleep(_LOOK_SECONDS)


async def _show_lines(scene: Scene, session: Session) -> None:
    observer = Observer(scene.quick, scene.quick.person.forces)
    if not session.as_json:
        note(_hint(scene))
    while True:
        state = await _look(scene, observer)
        if session.as_json:
            write_json(state.as_json())
        else:
            say(status_line(state))
        await asyncio.sleep(_LINE_EVERY_SECONDS)


async def _look(scene: Scene, observer: Observer) -> SuiteState:
    state = await observer.look()
    state.alerts = scene.alerts.lines()
    if scene.wish.cameras:
        cameras = scene.cameras
        running = cameras is not None and cameras.exit_code is None
        pid = cameras.pid if running and cameras is not None else None
        state.processes = [*state.processes, ProcessState(PROCESS, "serving" if running else "starting", pid)]
    scene.looked(state, time.monotonic())
    return state


def _hint(scene: Scene) -> str:
    said = f"{scene.said}. " if scene.said else ""
    return f"{said}Cameras may send to {scene.suite.address('ingest', 'public')}. Ctrl-C stops everything."
