"""Runs the demo: fresh folder, suite, cameras, checks."""

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import uvloop

from cli.demo.compare import Check, Findings, checks
from cli.demo.expected import expected_alerts, read_hotlist
from cli.demo.fresh import make_fresh
from cli.demo.gather import PURPOSE, LiveAlerts, accepted, drained, plates_of, raised, sent_reads, stored
from cli.demo.report import Outcome, show_outcome, write_report
from cli.exits import CliError
from cli.fleet import (
    HOTLIST,
    PROCESS,
    FleetOrder,
    drawn_reads,
    enrol_fleet,
    import_hotlists,
    run_without_images,
    start_fleet,
)
from cli.grpc_lines import show_grpc_lines_of_processes
from cli.home import SuiteHome
from cli.interrupts import cancel_current, interruptible, on_interrupt
from cli.jsonlines import write_json
from cli.links import Links
from cli.output import note
from cli.tokens import TokenFile
from cli.verbs import Session
from simulators.cameras.world import World
from suite.child import Child, told_end
from suite.logfile import last_lines
from suite.settings import SuiteSettings
from suite.suite import Suite

_DRAIN_SECONDS: Final = 60.0
_CAMERAS_PATIENCE_SECONDS: Final = 90.0
_SAY_EVERY_SECONDS: Final = 10.0


def run_demo(session: Session, *, seconds: float, rate: float, seed: int) -> None:
    """Run, check, report. CliError when anything differs or does not work."""
    show_grpc_lines_of_processes()
    folder = session.home / "demo"
    order = FleetOrder(seed, rate, seconds, folder.absolute() / "cameras.json")
    make_fresh(folder)
    with interruptible():
        outcome = uvloop.run(_Demo(session, folder, order).run())
    path = folder / "report.json"
    write_report(outcome, path)
    if session.as_json:
        write_json(outcome.as_json())
    else:
        show_outcome(outcome, path)
    if not outcome.ok:
        wrong = "; ".join(check.name for check in outcome.checks if not check.holds)
        raise CliError(f"the demo found differences. What does not hold: {wrong}")


class _Demo:
    """One run. It collects while the suite runs, and compares after the suite has stopped."""

    def __init__(self, session: Session, folder: Path, order: FleetOrder) -> None:
        self._session = session
        self._folder = folder
        self._order = order
        self._world = World.build(order.seed)
        self._alerts = LiveAlerts()
        self._late: list[str] = []

    async def run(self) -> Outcome:
        """Run the suite and the cameras, then compare."""
        suite = Suite(SuiteSettings(folder=self._folder), say=self._say)
        with on_interrupt(cancel_current(), again=suite.end_now):
            async with suite:
                home = SuiteHome(suite.layout.folder)
                async with Links(home, home.person(self._session.person)) as links:
                    return await self._run(suite, links)

    async def _run(self, suite: Suite, links: Links) -> Outcome:
        started = datetime.now(UTC)
        self._say("enrolling cameras and loading hotlists")
        await enrol_fleet(links, self._world)
        run = run_without_images(self._order, started)
        reads = await asyncio.to_thread(drawn_reads, self._world, run)
        plates = {(read.camera_id, read.read_id): read.vrm_seen for read in reads}
        reason = PURPOSE.justification
        files = await import_hotlists(
            links, suite.layout.hotlists, reads, seed=self._order.seed, today=started.date(), reason=reason
        )
        cameras = await self._send(suite, links)
        sent, first_sent = sent_reads(cameras)
        entries = [entry for force, path in files.items() for entry in read_hotlist(path, force, HOTLIST)]
        findings = Findings(
            sent=sent,
            stored=await stored(suite.address("store"), suite.service("match"), links.person.forces),
            destinations={
                name: await accepted(suite.address(name, "control")) for name in suite.settings.destinations
            },
            expected=expected_alerts(plates_of(sent, plates), entries, started),
            raised=await raised(links),
        )
        every = [
            *checks(findings),
            Check("everything was delivered in time", "nothing lags", tuple(self._late)),
        ]
        latencies = self._alerts.milliseconds(first_sent)
        seconds = self._order.seconds or 0.0
        return Outcome(findings, every, cameras, latencies, self._order.seed, seconds)

    async def _send(self, suite: Suite, links: Links) -> Mapping[str, Any]:
        """Let the cameras send. Returns their report."""
        self._say(f"cameras send for {self._order.seconds:g} s")
        watching = asyncio.create_task(self._alerts.collect(links), name="demo alerts")
        failing = asyncio.create_task(suite.watch(), name="suite watch")
        child = start_fleet(suite, TokenFile.of(links.home), self._order)
        sending = asyncio.create_task(self._wait_for(child), name="demo cameras")
        try:
            await asyncio.wait({sending, failing, watching}, return_when=asyncio.FIRST_COMPLETED)
            for task in (failing, watching):
                if task.done():
                    await task
            await sending
            # Alerts that were raised last may not have arrived here yet.
            self._late = await drained(links, _DRAIN_SECONDS)
        finally:
            for task in (sending, watching, failing):
                task.cancel()
            await asyncio.gather(sending, watching, failing, return_exceptions=True)
            await child.stop(())
        return self._report(suite, child)

    async def _wait_for(self, child: Child) -> None:
        begun, longest = time.monotonic(), (self._order.seconds or 0.0) + _CAMERAS_PATIENCE_SECONDS
        while child.exit_code is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(child.exited(), _SAY_EVERY_SECONDS)
                return
            gone = time.monotonic() - begun
            if gone > longest:
                raise CliError(f"the cameras have not ended after {gone:.0f} s")
            self._say(f"{gone:.0f} s gone")

    def _report(self, suite: Suite, child: Child) -> Mapping[str, Any]:
        assert self._order.report is not None, "a demo always asks for the cameras' report"
        try:
            found: dict[str, Any] = json.loads(self._order.report.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            end = last_lines(suite.layout.logs / f"{PROCESS}.log")
            raise CliError(
                f"the cameras {told_end(child.exit_code or 0)} and left no report: {end}"
            ) from None
        return found

    def _say(self, text: str) -> None:
        if not self._session.as_json:
            note(text)
