"""The faults that a seeded run draws from: what each does to a suite, and when all must go on again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from suite.errors import SuiteError
from tests.chaos.controls import Controls
from tests.chaos.proxy import Proxy
from tests.chaos.wiring import Wired

POSTGRES, VENDORS, COLLECTOR, IMAGES = "postgres", "vendors", "collector", "images"
NATIONAL = ("nas", "nadc")
_STOPS_WITHIN = 15.0
"""Calls drain for 10 s."""
_STARTS_WITHIN = 60.0
_AGAIN_SECONDS = 1.0
_BALLAST_PIECE = bytes(1 << 20)
_Block = AbstractAsyncContextManager[None]


class Kind(StrEnum):
    """What happens to a target: a process, or one of the names above."""

    KILL = "kill -9"
    FREEZE = "SIGSTOP"
    RESTART = "graceful restart"
    POSTGRES_FAST = "PostgreSQL restarted, fast"
    POSTGRES_IMMEDIATE = "PostgreSQL restarted, immediate"
    POSTGRES_KILL = "PostgreSQL kill -9"
    POSTGRES_FREEZE = "PostgreSQL SIGSTOP"
    CUT_FROM_STORE = "cut off from the store"
    CUT_FROM_POSTGRES = "cut off from PostgreSQL"
    CUT_FROM_VENDORS = "cut off from the vendors"
    SLOW_DISK = "slow disk"
    FULL_DISK = "full disk"
    IMAGES_GONE = "object store away"
    CLOCK_JUMP = "clock jump"
    COLLECTOR_HANGS = "collector hangs"
    COLLECTOR_AWAY = "collector away"
    NATIONAL_AWAY = "national service away"
    NATIONAL_SLOW = "national service slow"
    NATIONAL_REFUSES = "national service refuses"
    NATIONAL_LOSES = "national service loses receipts"


@dataclass(frozen=True)
class Stated:
    """Within how many seconds all goes on: `after` the fault's end, and `despite` it while it stands.

    Where `despite` is None, nobody promises service before its end. The machine runs all of it on two cores,
    and so each bound has some seconds more than the promise of docs/sre.md.
    """

    after: float
    despite: float | None = None


_OF_A_REPLICA = 25.0
# A vendor that connects anew may come back to the replica that is cut off, more than once.
_OF_AN_INGEST = 45.0
STATED: Mapping[Kind, Stated] = {
    Kind.KILL: Stated(20.0),
    Kind.FREEZE: Stated(20.0, _OF_A_REPLICA),
    Kind.RESTART: Stated(8.0),
    Kind.POSTGRES_FAST: Stated(20.0),
    Kind.POSTGRES_IMMEDIATE: Stated(20.0),
    Kind.POSTGRES_KILL: Stated(20.0),
    Kind.POSTGRES_FREEZE: Stated(20.0),
    Kind.CUT_FROM_STORE: Stated(20.0, _OF_AN_INGEST),
    Kind.CUT_FROM_POSTGRES: Stated(20.0, _OF_A_REPLICA),
    Kind.CUT_FROM_VENDORS: Stated(35.0),
    Kind.SLOW_DISK: Stated(20.0),
    Kind.FULL_DISK: Stated(20.0),
    Kind.IMAGES_GONE: Stated(20.0),
    Kind.CLOCK_JUMP: Stated(10.0, 15.0),
    Kind.COLLECTOR_HANGS: Stated(5.0, 5.0),
    Kind.COLLECTOR_AWAY: Stated(5.0, 5.0),
    Kind.NATIONAL_AWAY: Stated(20.0, 5.0),
    Kind.NATIONAL_SLOW: Stated(20.0, 5.0),
    Kind.NATIONAL_REFUSES: Stated(20.0, 5.0),
    Kind.NATIONAL_LOSES: Stated(20.0, 5.0),
}

_SIGNALS = {
    Kind.POSTGRES_FAST: signal.SIGINT,
    Kind.POSTGRES_IMMEDIATE: signal.SIGQUIT,
    Kind.POSTGRES_KILL: signal.SIGKILL,
}


@dataclass(frozen=True)
class Fault:
    """A fault, and for how many seconds it stands; 0 for what happens at one moment.

    `amount` is what its kind needs: seconds of a clock or of each sync, milliseconds of a national service.
    `breaks` says whether connections that were cut off are reset when the line is mended.
    """

    kind: Kind
    target: str
    seconds: float = 0.0
    amount: float = 0.0
    breaks: bool = False

    def __str__(self) -> str:
        amount = f" by {self.amount:+g}" if self.amount else ""
        lasts = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.kind} of {self.target}{amount}{lasts}" + (", then a reset" if self.breaks else "")

    @property
    def is_momentary(self) -> bool:
        """Whether it happens at one moment."""
        return self.seconds == 0.0

    @property
    def starved(self) -> frozenset[str]:
        """The destinations that nothing can reach while it stands."""
        return frozenset({self.target} & set(NATIONAL))


@asynccontextmanager
async def standing(wired: Wired, fault: Fault) -> AsyncIterator[None]:
    """The fault stands inside the block. Killed processes start again by themselves, also after it."""
    async with _DONE_BY[fault.kind](wired, fault):
        yield


@asynccontextmanager
async def _kill(wired: Wired, fault: Fault) -> AsyncIterator[None]:
    await wired.suite.process(fault.target).kill()
    yield


@asynccontextmanager
async def _freeze(wired: Wired, fault: Fault) -> AsyncIterator[None]:
    process = wired.suite.process(fault.target)
    process.send(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send(signal.SIGCONT)


@asynccontextmanager
async def _restart(wired: Wired, fault: Fault) -> AsyncIterator[None]:
    async def restart() -> None:
        code = await wired.suite.process(fault.target).stop(_STOPS_WITHIN)
        assert code == 0, f"{fault.target} ended with {code} when it was told to stop"
        async with asyncio.timeout(_STARTS_WITHIN):
            while True:
                # A store does not start without a place for images. Kubernetes starts it again.
                with suppress(SuiteError):
                    await wired.suite.restart(fault.target)
                    return
                await asyncio.sleep(_AGAIN_SECONDS)

    restarting = asyncio.create_task(restart())
    try:
        yield
    finally:
        await restarting


@asynccontextmanager
async def _crash(wired: Wired, fault: Fault) -> AsyncIterator[None]:
    await wired.suite.postgres.crash(_SIGNALS[fault.kind])
    yield


@asynccontextmanager
async def _freeze_postgres(wired: Wired, fault: Fault) -> AsyncIterator[None]:
    root = psutil.Process(wired.suite.postgres.pid)
    processes = [root, *root.children()]
    try:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def _cutting(lines: Callable[[Wired], Mapping[str, Proxy]]) -> Callable[[Wired, Fault], _Block]:
    @asynccontextmanager
    async def cut(wired: Wired, fault: Fault) -> AsyncIterator[None]:
        proxy = lines(wired)[fault.target]
        proxy.cut()
        try:
            yield
        finally:
            proxy.mend(broken=fault.breaks)

    return cut


@asynccontextmanager
async def _collector_away(wired: Wired, fault: Fault) -> AsyncIterator[None]:
    wired.collector.refuse()
    try:
        yield
    finally:
        wired.collector.mend()


def _controlled(set_to: Callable[[Controls, str, float], None]) -> Callable[[Wired, Fault], _Block]:
    """Set something of a process to the fault's amount, and back to nothing at the end."""

    @asynccontextmanager
    async def carry(wired: Wired, fault: Fault) -> AsyncIterator[None]:
        assert wired.controls is not None
        set_to(wired.controls, fault.target, fault.amount)
        try:
            yield
        finally:
            set_to(wired.controls, fault.target, 0.0)

    return carry


@asynccontextmanager
async def _full_disk(wired: Wired, fault: Fault) -> AsyncIterator[None]:
    ballast = wired.images.with_name("ballast")
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(_BALLAST_PIECE):
            pass
    try:
        yield
    finally:
        ballast.unlink()


@asynccontextmanager
async def _images_gone(wired: Wired, fault: Fault) -> AsyncIterator[None]:
    """A file in place of the folder: no process, root included, can write into it."""
    with _replaced_by_a_file(wired.images):
        yield


@contextmanager
def _replaced_by_a_file(folder: Path) -> Iterator[None]:
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


def _behaving(wish: Callable[[Fault], Mapping[str, object]]) -> Callable[[Wired, Fault], _Block]:
    @asynccontextmanager
    async def behave(wired: Wired, fault: Fault) -> AsyncIterator[None]:
        await wired.suite.behave(fault.target, wish(fault))
        try:
            yield
        finally:
            await wired.suite.behave(fault.target, {})

    return behave


_DONE_BY: Mapping[Kind, Callable[[Wired, Fault], _Block]] = {
    Kind.KILL: _kill,
    Kind.FREEZE: _freeze,
    Kind.RESTART: _restart,
    Kind.POSTGRES_FAST: _crash,
    Kind.POSTGRES_IMMEDIATE: _crash,
    Kind.POSTGRES_KILL: _crash,
    Kind.POSTGRES_FREEZE: _freeze_postgres,
    Kind.CUT_FROM_STORE: _cutting(lambda wired: wired.store),
    Kind.CUT_FROM_POSTGRES: _cutting(lambda wired: wired.database),
    Kind.CUT_FROM_VENDORS: _cutting(lambda wired: {VENDORS: wired.door}),
    Kind.SLOW_DISK: _controlled(Controls.slow_disk),
    Kind.FULL_DISK: _full_disk,
    Kind.IMAGES_GONE: _images_gone,
    Kind.CLOCK_JUMP: _controlled(Controls.move_clock),
    Kind.COLLECTOR_HANGS: _cutting(lambda wired: {COLLECTOR: wired.collector}),
    Kind.COLLECTOR_AWAY: _collector_away,
    Kind.NATIONAL_AWAY: _behaving(lambda _: {"away": True}),
    Kind.NATIONAL_SLOW: _behaving(lambda fault: {"delay_ms": int(fault.amount)}),
    Kind.NATIONAL_REFUSES: _behaving(lambda _: {"forbid": True}),
    Kind.NATIONAL_LOSES: _behaving(lambda _: {"drop_after_accept": True}),
}
