"""Simulated cameras that send during a drill, and the comparison with what is stored afterwards."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chassis.client import open_channel
from cli.demo.compare import KEPT
from cli.demo.expected import Identity
from cli.demo.gather import sent_reads, stored
from cli.exits import CliError
from cli.fleet import PROCESS, FleetOrder, enrol_fleet, start_fleet
from cli.home import SuiteHome
from cli.links import Links
from cli.tokens import TokenFile
from clients.store import BufferClient
from suite.child import Child, told_end
from suite.suite import Suite

_POLL_SECONDS: Final = 0.05
_ASK_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Compared:
    """The reads of a drill. `lost` were acknowledged and are not stored; values are when they were sent."""

    sent: int
    acknowledged: int
    found: int
    unanswered: int
    lost: Mapping[Identity, int]


async def begin(suite: Suite, order: FleetOrder) -> Child:
    """Enrol the cameras, and start them as a process that outlives the suite's."""
    home = SuiteHome(suite.layout.folder)
    async with Links(home, home.person(None)) as links:
        await enrol_fleet(links, order.world())
    assert order.report is not None, "a drill asks for the cameras' report"
    tokens = order.report.with_name("feed-tokens.json")
    shutil.copy(TokenFile.of(home).path, tokens)
    return start_fleet(suite, TokenFile(tokens), order)


async def head_of(suite: Suite) -> int:
    """How many reads the store has positions for; the sum over the forces. -1 while it cannot say."""
    async with open_channel(suite.address("store"), suite.service("match"), retries=False) as channel:
        heads = await BufferClient(channel, deadline=_ASK_SECONDS).heads(suite.settings.forces)
    return sum(heads.values()) if len(heads) == len(suite.settings.forces) else -1


async def until_grown(suite: Suite, more_than: int) -> float:
    """Wait until reads are stored beyond a head. Returns the time, in seconds since 1970."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while await head_of(suite) <= more_than:  # noqa: ASYNC110 - another process tells
            await asyncio.sleep(_POLL_SECONDS)
    return time.time()


async def ended(suite: Suite, cameras: Child, order: FleetOrder) -> Mapping[str, Any]:
    """Wait for the cameras' end. Returns their report."""
    longest = (order.seconds or 0.0) + _PATIENCE_SECONDS
    try:
        async with asyncio.timeout(longest):
            await cameras.exited()
    except TimeoutError:
        raise CliError(f"the cameras have not ended after {longest:.0f} s") from None
    assert order.report is not None, "a drill asks for the cameras' report"
    try:
        found: dict[str, Any] = json.loads(order.report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        log = suite.layout.logs / f"{PROCESS}.log"
        raise CliError(
            f"the cameras {told_end(cameras.exit_code or 0)} without a report: see {log}"
        ) from None
    return found


async def compared(suite: Suite, report: Mapping[str, Any]) -> Compared:
    """Compare the reads that cameras got an acknowledgement for with those that the store has."""
    sent, first_sent = sent_reads(report)
    acknowledged = {read.identity for read in sent if read.verdict in KEPT}
    found = set(await stored(suite.address("store"), suite.service("match"), suite.settings.forces))
    lost = {identity: first_sent[identity] for identity in acknowledged - found}
    return Compared(len(sent), len(acknowledged), len(found), int(report["unanswered"]), lost)


def fresh(folder: Path, say: Callable[[str], None]) -> None:
    """Have an empty folder for a scenario. Only an earlier drill's is deleted."""
    if folder.exists():
        say(f"deleting {folder} of an earlier drill")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
