"""The simulated cameras of a suite on this machine: enrols them, imports hotlists, and starts them."""

import itertools
import json
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from gantry.common.v1.purpose_pb2 import Purpose
from gantry.match.v1.hotlist_pb2 import ImportHeader

from cli.commands.hotlist import send_hotlist
from cli.links import Links
from cli.tokens import TokenFile
from simulators.cameras.enrolment import enrolments
from simulators.cameras.hotlist import choose_entries, write_csv
from simulators.cameras.traffic import Run, SimulatedRead, simulate
from simulators.cameras.world import FORCES, World
from suite.child import Child
from suite.layout import Layout
from suite.suite import Suite

HOTLIST: Final = "vehicles of interest"
PROCESS: Final = "cameras"
_MODULE: Final = "simulators.cameras"
_DRAWN_READS: Final = 30_000


@dataclass(frozen=True)
class FleetOrder:
    """How the cameras send. `seconds` None: without end. `report`: the file for the reads that they sent."""

    seed: int
    rate: float
    seconds: float | None = None
    report: Path | None = None
    forces: tuple[str, ...] = FORCES

    def world(self) -> World:
        """The roads and cameras of the forces."""
        return World.build(self.seed, self.forces)


async def enrol_fleet(links: Links, world: World) -> None:
    """Enrol every camera of the world and keep the tokens; feeds whose token we have keep it."""
    store, registry = TokenFile.of(links.home), await links.cameras()
    for request in enrolments(world):
        force, feed = request.force, request.feed
        new_token = store.get(force, feed) is None
        answer = await registry.enrol(force, feed, request.cameras, new_token=new_token)
        if answer.token:
            store.keep(force, feed, answer.token)


def start_fleet(suite: Suite, tokens: TokenFile, order: FleetOrder) -> Child:
    """Start the cameras as a process of their own; SIGTERM ends them once all is acknowledged."""
    layout = suite.layout
    arguments: dict[str, object] = {
        "--ingest": suite.address("ingest", "public"),
        "--authority": suite.authority.certificate,
        "--tokens": tokens.path,
        "--forces": ",".join(order.forces),
        "--seed": order.seed,
        "--rate": order.rate,
        "--spans": layout.spans / f"{PROCESS}.jsonl",
    }
    if order.seconds is not None:
        arguments["--seconds"] = order.seconds
    if order.report is not None:
        arguments["--report"] = order.report
    words = [str(word) for pair in arguments.items() for word in pair]
    return Child(
        (sys.executable, "-m", _MODULE, *words), log=layout.logs / f"{PROCESS}.log", environment=os.environ
    )


async def import_hotlists(
    links: Links, folder: Path, reads: Sequence[SimulatedRead], *, seed: int, today: date, reason: str
) -> Mapping[str, Path]:
    """Import a hotlist for each force, with vehicles that its cameras will see. Returns the files."""
    files: dict[str, Path] = {}
    for force in links.person.forces:
        files[force] = folder / f"{force}.csv"
        write_csv(files[force], choose_entries(reads, force=force, seed=seed, today=today))
        header = ImportHeader(
            force=force,
            name=HOTLIST,
            purpose=Purpose(justification=reason),
            near_matches=True,
            request_id=str(uuid.uuid4()),
        )
        await send_hotlist(links, files[force], header)
    return files


def drawn_alike(layout: Layout, order: FleetOrder) -> bool:
    """Whether the hotlists were chosen for cameras that send like these: others meet other vehicles."""
    try:
        return bool(json.loads(_drawn(layout).read_text()) == _manner(order))
    except (OSError, ValueError):
        return False


def note_drawn(layout: Layout, order: FleetOrder) -> None:
    """Write down for which cameras the hotlists were chosen."""
    _drawn(layout).write_text(json.dumps(_manner(order)) + "\n")


def _drawn(layout: Layout) -> Path:
    return layout.hotlists / "drawn.json"


def _manner(order: FleetOrder) -> dict[str, object]:
    return {"seed": order.seed, "rate": order.rate, "forces": list(order.forces)}


def drawn_reads(world: World, run: Run) -> list[SimulatedRead]:
    """The reads of a run, or the first of one without end."""
    return list(itertools.islice(simulate(world, run), _DRAWN_READS if run.seconds == float("inf") else None))


def run_without_images(order: FleetOrder, start: datetime) -> Run:
    """The run that determines the reads that the cameras will send, without pictures."""
    seconds = float("inf") if order.seconds is None else order.seconds
    return Run(order.seed, start, order.rate, seconds, images=False)
