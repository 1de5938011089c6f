"""Scenario: a whole site is lost under load, and restored elsewhere from its archive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyrage

from cli.drill import load
from cli.drill.report import Scenario
from cli.exits import CliError
from cli.fleet import FleetOrder
from suite.backup.archive import Archive
from suite.backup.base import bases
from suite.backup.reach import complete_to
from suite.backup.restore import Restored, Wish, restore
from suite.backup.settings import BackupSettings
from suite.child import Child
from suite.settings import SuiteSettings
from suite.suite import Suite, erase

_BEFORE_SECONDS: Final = 20.0
_AFTER_SECONDS: Final = 50.0
_BASE_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.2
_STORED_FIRST: Final = 50


async def lose_site(folder: Path, rate: float, seed: int, say: Callable[[str], None]) -> Scenario:
    """Run the scenario in a folder of its own."""
    for place in ("site", "elsewhere"):
        await erase(folder / place)
    load.fresh(folder, say)
    identity = pyrage.x25519.Identity.generate()
    backup = BackupSettings(folder / "archive", (str(identity.to_public()),))
    seconds = _BEFORE_SECONDS + _AFTER_SECONDS
    order = FleetOrder(seed, rate, seconds, folder / "cameras.json")
    lost = Suite(SuiteSettings(folder / "site", backup=backup, canary=False), say=say)
    async with lost:
        cameras = await load.begin(lost, order)
        try:
            await load.until_grown(lost, _STORED_FIRST)
            await _base_made(backup)
            await asyncio.sleep(_BEFORE_SECONDS)
            say("all processes are killed, and the folder of the site is deleted")
            begun = time.time()
            lost.end_now()
        except BaseException:
            await cameras.stop(())
            raise
    try:
        await erase(folder / "site")
        return await _restored(folder, backup, identity, order, _Loss(begun, cameras), say)
    finally:
        await cameras.stop(())


class _Loss:
    """When the site was lost, and the cameras that go on."""

    def __init__(self, begun: float, cameras: Child) -> None:
        self.begun = begun
        self.cameras = cameras


async def _restored(  # noqa: PLR0917
    folder: Path,
    backup: BackupSettings,
    identity: pyrage.x25519.Identity,
    order: FleetOrder,
    loss: _Loss,
    say: Callable[[str], None],
) -> Scenario:
    reach = complete_to(Archive(backup.archive))
    done = await restore(Wish(backup.archive, [identity], folder / "elsewhere"), say)
    restored_after = time.time() - loss.begun
    async with Suite(SuiteSettings(folder / "elsewhere", canary=False), say=say) as suite:
        started_after = time.time() - loss.begun
        served = await load.until_grown(suite, await load.head_of(suite))
        say(f"reads are stored again, {served - loss.begun:.1f} s after the loss")
        report = await load.ended(suite, loss.cameras, order)
        found = await load.compared(suite, report)
    lag = None if reach is None else loss.begun - reach.timestamp()
    return Scenario(
        "site",
        "All processes are killed and the site's folder is deleted; the archive is restored elsewhere.",
        found,
        lost_at=loss.begun,
        rto_s=served - loss.begun,
        rto_limit_s=3_600.0,
        rpo_limit_reads=None,
        archive_lag_s=lag,
        steps={
            "restored after (s)": round(restored_after, 1),
            "all services run after (s)": round(started_after, 1),
            "reads stored again after (s)": round(served - loss.begun, 1),
        },
        replayed=_told(done),
    )


async def _base_made(backup: BackupSettings) -> None:
    archive = Archive(backup.archive)
    try:
        async with asyncio.timeout(_BASE_SECONDS):
            while not bases(archive) or complete_to(archive) is None:  # noqa: ASYNC110 - files tell
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise CliError(f"no base copy was made within {_BASE_SECONDS:.0f} s") from None


def _told(done: Restored) -> dict[str, object]:
    log = None if done.complete_to is None else (done.complete_to - done.base.ended_at).total_seconds()
    return {
        "base copy": done.base.name,
        "log after it (s)": None if log is None else round(log, 1),
        "picture objects": done.objects,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **done.replayed.as_json(),
    }
