"""Two of everything under load, and FAULTS (50) faults that are drawn from a SEED, the same ones each time.

`make test-chaos FAULTS=1000 SEED=7` runs this file alone. REPORT=FOLDER keeps the report and the logs.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from gantry_sdk import Connection

from chassis.client import open_channel
from clients.audit import AuditClient
from suite.suite import Suite
from tests.chaos.faults import STATED, Fault, Kind, standing
from tests.chaos.flow import Flow, flowing
from tests.chaos.journal import Journal, stated_for
from tests.chaos.observers import observing
from tests.chaos.progress import all_goes_on, owners
from tests.chaos.schedule import WITH_A_SMALL_DISK, WITH_CONTROLS, Round, rounds
from tests.chaos.verdict import nothing_is_lost_or_doubled
from tests.chaos.wiring import Wired, wired_suite
from tests.e2e.outcome import buffer_status, national_counts

FAULTS = int(os.environ.get("FAULTS") or 50)
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))
REPORT = os.environ.get("REPORT")
FORCES = ("essex", "kent")
_LONG = FAULTS > 200
TICK_SECONDS = 1.0 if _LONG else 0.4
SECONDS_A_FAULT = 30.0
PATIENCE = 4.0
"""Times what is stated: then the run ends at once, else it goes on, and fails at its end."""
SERVING_WITHIN = 60.0
FIRST_READS = 40
REFUSAL = "a destination refuses what it is sent"
NO_IMAGES = "GANTRY_STORE__IMAGES cannot be used"
"""Errors that are rightly logged: destinations refuse, and a store does not start without its images."""

pytestmark = pytest.mark.timeout(600 + FAULTS * SECONDS_A_FAULT)


def test_a_seed_always_draws_the_same_faults() -> None:
    first, second = [list(rounds(11, 200)) for _ in range(2)]
    assert first == second
    assert first != list(rounds(12, 200))
    drawn = [fault for each in first for fault in each.faults]
    assert len(drawn) == 200
    assert {fault.kind for fault in drawn} == set(Kind) == STATED.keys()
    for each in first:
        targets = [fault.target for fault in each.faults]
        assert len(targets) == len(set(targets)) == len(each.after)
    assert not {Kind.CLOCK_JUMP} & {
        fault.kind for each in rounds(11, 200, frozenset({Kind.CLOCK_JUMP})) for fault in each.faults
    }


async def test_seeded_faults(capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(SEED, FAULTS)
    with capsys.disabled():
        print(f"\nseed {SEED}: {journal.command}", flush=True)  # noqa: T201 - also when the run never ends
    try:
        await _run(journal)
    except BaseException as error:
        error.add_note(journal.told())
        raise
    finally:
        if REPORT:
            journal.write(Path(REPORT))
    with capsys.disabled():
        print(journal.markdown())  # noqa: T201
    assert journal.breaches == [], journal.told()


async def _run(journal: Journal) -> None:
    async with wired_suite(*FORCES) as wired:
        suite = wired.suite
        without = (frozenset() if wired.controls else WITH_CONTROLS) | (
            frozenset() if wired.small_disk else WITH_A_SMALL_DISK
        )
        journal.left_out = sorted(kind.value for kind in without)
        async with (
            _vendors(wired) as connection,
            observing(suite, store=wired.stores.address, match=wired.matches.address) as (tails, rooms),
        ):
            try:
                async with flowing(suite, connection, SEED, tick=TICK_SECONDS) as flow:
                    await flow.goes_on(FIRST_READS, within=SERVING_WITHIN)
                    for drawn in rounds(SEED, FAULTS, without):
                        await _round(wired, flow, journal, drawn)
                journal.note("the last fault is over; the books")
                await nothing_is_lost_or_doubled(suite, flow, tails, rooms)
                assert None not in (await owners(suite)).values()
                journal.books = await _books(
                    suite, flow, {name: len(room.alerts) for name, room in rooms.items()}
                )
            except BaseException as error:
                error.add_note("\n".join(_strange(suite)))
                raise
            finally:
                if REPORT:
                    shutil.copytree(suite.layout.logs, Path(REPORT) / "logs", dirs_exist_ok=True)
        assert _own_deaths(wired) == []
        assert _errors(suite) == []


@asynccontextmanager
async def _vendors(wired: Wired) -> AsyncIterator[Connection]:
    authority = wired.suite.authority.certificate
    async with Connection(
        wired.door.address, authority=authority, server_name="localhost", channels=4
    ) as connection:
        yield connection


async def _round(wired: Wired, flow: Flow, journal: Journal, drawn: Round) -> None:
    journal.begin(drawn)
    if len(drawn.faults) == 1:
        await _alone(wired, flow, journal, drawn.faults[0])
    else:
        async with asyncio.TaskGroup() as group:
            starts = [sum(drawn.after[: number + 1]) for number in range(len(drawn.faults))]
            for fault, start in zip(drawn.faults, starts, strict=True):
                group.create_task(_begin_later(wired, fault, start))
        await _goes_on(wired, flow, journal, drawn.faults, "after")
    await _all_serve(wired, journal)


async def _begin_later(wired: Wired, fault: Fault, start: float) -> None:
    await asyncio.sleep(start)
    async with standing(wired, fault):
        await asyncio.sleep(fault.seconds)


async def _alone(wired: Wired, flow: Flow, journal: Journal, fault: Fault) -> None:
    ends_at = time.monotonic() + fault.seconds
    async with standing(wired, fault):
        if STATED[fault.kind].despite is not None:
            await _goes_on(wired, flow, journal, [fault], "despite")
        elif fault.is_momentary:
            await _goes_on(wired, flow, journal, [fault], "after")
        await asyncio.sleep(max(0.0, ends_at - time.monotonic()))
    if not fault.is_momentary:
        await _goes_on(wired, flow, journal, [fault], "after")


async def _goes_on(wired: Wired, flow: Flow, journal: Journal, faults: Sequence[Fault], when: str) -> None:
    stated = stated_for(faults, when)
    starved = (
        frozenset[str]().union(*(fault.starved for fault in faults)) if when == "despite" else frozenset()
    )
    began = time.monotonic()
    what = f"{when} {' + '.join(map(str, faults))}"
    await all_goes_on(wired.suite, flow, within=PATIENCE * stated, what=what, without=starved)
    journal.recovered(faults, when, time.monotonic() - began)


async def _all_serve(wired: Wired, journal: Journal) -> None:
    """Every replica is back before the next round, so that a fault meets two of each."""
    began = time.monotonic()
    await asyncio.gather(*(process.ready(SERVING_WITHIN) for process in wired.suite.processes.values()))
    journal.serving.append(time.monotonic() - began)


async def _books(suite: Suite, flow: Flow, heard: dict[str, int]) -> dict[str, int]:
    """What was counted, after every check has passed."""
    books = {"reads sent": len(flow.sent), "reads acknowledged": len(flow.acked)}
    stored = [(await buffer_status(suite, force)).reads_stored for force in suite.settings.forces]
    books["reads stored"] = sum(stored)
    for name in suite.settings.destinations:
        counts = [await national_counts(suite, name, force) for force in suite.settings.forces]
        books[f"reads counted by {name}"] = sum(count["accepted"] for count in counts)
    books["alerts raised, each heard once"] = sum(heard.values())
    async with open_channel(suite.address("store"), suite.person()) as channel:
        audit = AuditClient(channel, deadline=60.0)
        for force in suite.settings.forces:
            answer = await audit.verify(force)
            assert answer.first_broken == 0, f"the audit chain of {force} breaks at {answer.first_broken}"
            assert answer.records > 0
            books[f"audit records of {force}, chain whole"] = answer.records
    return books


def _own_deaths(wired: Wired) -> list[str]:
    """Processes that ended and were not killed by a fault, but for a store that found no place for images."""
    began_in_vain = sum(NO_IMAGES in line for line in _logged(wired.suite))
    deaths = [
        line
        for line in wired.said
        if "is being started again" in line and "SIGKILL" not in line and "PostgreSQL" not in line
    ]
    of_stores = [line for line in deaths if line.startswith("store") and "exit code 1" in line]
    return deaths if len(of_stores) > began_in_vain else [line for line in deaths if line not in of_stores]


def _errors(suite: Suite) -> list[str]:
    """What services logged as errors without cause: each one would call a person."""
    errors = {line for line in _logged(suite) if '"level": "error"' in line}
    return sorted(line for line in errors if REFUSAL not in line and NO_IMAGES not in line)


def _strange(suite: Suite) -> list[str]:
    """The last warnings and errors, for whoever looks into a failure."""
    return sorted(
        line for line in _logged(suite) if '"level": "warning"' in line or '"level": "error"' in line
    )[-60:]


def _logged(suite: Suite) -> list[str]:
    return [
        line
        for log in suite.layout.logs.glob("*.log*")
        for line in log.read_text(errors="replace").splitlines()
    ]
