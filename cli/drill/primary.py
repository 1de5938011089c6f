"""Scenario: the primary database is lost under load, and its synchronous standby is promoted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import asyncpg

from cli.drill import load
from cli.drill.report import Scenario
from cli.fleet import FleetOrder
from suite.settings import SuiteSettings
from suite.suite import Suite, erase

_BEFORE_SECONDS: Final = 10.0
_AFTER_SECONDS: Final = 20.0
_PROBE_SECONDS: Final = 1.0
_PROBES: Final = 3
_STORED_FIRST: Final = 50


async def lose_primary(folder: Path, rate: float, seed: int, say: Callable[[str], None]) -> Scenario:
    """Run the scenario in a folder of its own."""
    await erase(folder / "state")
    load.fresh(folder, say)
    seconds = _BEFORE_SECONDS + _AFTER_SECONDS
    order = FleetOrder(seed, rate, seconds, folder / "cameras.json")
    async with Suite(SuiteSettings(folder / "state", standby=True, canary=False), say=say) as suite:
        cameras = await load.begin(suite, order)
        try:
            await load.until_grown(suite, _STORED_FIRST)
            await asyncio.sleep(_BEFORE_SECONDS)
            say("the primary is killed, and its disk is deleted")
            begun = time.time()
            await suite.postgres.lose()
            await _until_noticed(suite)
            noticed = time.time()
            say(f"noticed after {noticed - begun:.1f} s; the standby is promoted")
            await suite.promote_standby()
            promoted = time.time()
            before = await load.head_of(suite)
            served = await load.until_grown(suite, before)
            say(f"reads are stored again, {served - begun:.1f} s after the loss")
            report = await load.ended(suite, cameras, order)
        finally:
            await cameras.stop(())
        found = await load.compared(suite, report)
    return Scenario(
        "primary",
        "The primary database and its disk are lost; the synchronous standby is promoted.",
        found,
        lost_at=begun,
        rto_s=served - begun,
        rto_limit_s=30.0,
        rpo_limit_reads=0,
        steps={
            "noticed after (s)": round(noticed - begun, 1),
            "promoted after (s)": round(promoted - begun, 1),
            "reads stored again after (s)": round(served - begun, 1),
        },
        replayed={"log": "streamed to the standby before each commit was acknowledged"},
    )


async def _until_noticed(suite: Suite) -> None:
    """As a watcher does: several probes in a row without an answer."""
    missed = 0
    while missed < _PROBES:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                connection = await asyncpg.connect(**suite.postgres.superuser())
                await connection.close()
            missed = 0
        except (OSError, TimeoutError, asyncpg.PostgresError):
            missed += 1
        await asyncio.sleep(_PROBE_SECONDS)
