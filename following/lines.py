"""All lines of a replica: the loop that compares the rows with what runs."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from chassis.backoff import Backoff
from chassis.loops import repeat
from chassis.transient import cause_of, is_transient
from following.lease import DEFAULT_CURSOR, FencedError, Key, Lease
from following.line import MakeLine
from following.postgres import ANSWER_SECONDS, SURE_SECONDS, PostgresLines, Tended
from following.running import Running
from following.tasks import EndlessTaskError, ended, together

TICK_SECONDS: Final = 0.4
_WELL_AFTER_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


class Lines:
    """Runs the lines for which this replica holds the leases.

    ``server.own(lines.run(), "lines")`` and ``server.on_stop(lines.stop)``. A replica reads the rows every
    0.4 s, renews its leases, takes free lines up to its share, and hands over lines beyond its share. It
    starts a line that should follow, starts it again when its epoch or desired state changes, and stops one
    that is paused, stopped or retired.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        make: MakeLine,
        *,
        forces: Callable[[], Iterable[str]],
        in_every_force: Sequence[str] = (),
        hears: Callable[[], bool] = lambda: True,
        stop_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`make` makes the `Line` each time a line starts. It may be a coroutine, to read settings first.

        `forces` are the forces known at the moment. Lines named in `in_every_force` get a row, live, in each
        of them. While `hears` says that the logs do not reach this replica, it leaves its lines to another
        one, if there is any. Steps under way at a stop have `stop_seconds` to end.
        """
        self.replica = secrets.token_hex(8)
        self._rows = PostgresLines(pool, self.replica)
        self._make = make
        self._forces = forces
        self._in_every_force = in_every_force
        self._hears = hears
        self._aside = False
        self._stop_seconds = stop_seconds
        self._clock = clock
        self._held: dict[Key, _Held] = {}
        self._refusals: defaultdict[Key, Backoff] = defaultdict(lambda: Backoff(0.02, 2.0))
        self._refused: dict[Key, int] = {}
        self._prepared: set[str] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._leaving = False
        self._sure_at = clock()
        self._ticking = asyncio.Lock()
        self._wake = asyncio.Event()
        self._over = asyncio.Event()
        self._failure: Exception | None = None
        self._stopping: asyncio.Task[None] | None = None

    @property
    def running(self) -> frozenset[Key]:
        """The lines that run at this replica."""
        return frozenset(self._held)

    def wake(self) -> None:
        """Read the rows now: one has changed, for example by `restart_line`."""
        self._wake.set()

    async def run(self) -> None:
        """Run until cancelled or `stop`. Raises the error of a line when it is a bug."""
        ticks = repeat(
            self._tick, name="leases", every=TICK_SECONDS, wake=self._wake, backoff=Backoff(0.1, 1.0)
        )
        try:
            await together([self._until_over()], [ticks, self._give_up_what_expired()])
        finally:
            await self.stop()
        if self._failure is not None:
            raise self._failure

    async def stop(self) -> None:
        """Stop all lines, each after the step under way, and release each lease at once. Then `run` ends."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name="stop the lines")
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        self._leaving = True
        left = await self._leave()
        for held in self._held.values():
            # A step cannot commit while the database does not answer, so nothing is gained by waiting for it.
            self._end(held) if left else self._cut(held)
        while self._ending:
            await asyncio.wait(self._ending)
        if left:
            await self._release_rest()
        self._over.set()

    async def _leave(self) -> bool:
        """Take this replica from those that share the lines. False when the database does not answer."""
        try:
            # A tick that hangs already would otherwise be waited for first, and its time be added.
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._tick()
        except Exception as error:  # noqa: BLE001 - the lines end whatever it is
            _log.warning("the replica is left to expire", extra={"cause": cause_of(error)})
            return False
        return True

    async def _release_rest(self) -> None:
        """Release leases that got a new epoch (`restart_line`) while their line ended."""
        try:
            for row in await self._rows.tend(sorted(self._forces()), leaving=True):
                await self._rows.release(row.lease)
        except Exception as error:  # noqa: BLE001 - the lines have ended whatever it is
            _log.warning("the leases are left to expire", extra={"cause": cause_of(error)})

    async def _until_over(self) -> None:
        await self._over.wait()

    async def _tick(self) -> None:
        async with self._ticking:
            began = self._clock()
            forces = sorted(self._forces())
            await self._prepare(forces)
            await self._step_aside()
            tended = await self._rows.tend(forces, leaving=self._away)
            self._sure_at = began
            self._compare(tended, frozenset(forces))

    @property
    def _away(self) -> bool:
        """Whether this replica runs no lines, because it stops or cannot hear the logs."""
        return self._leaving or self._aside

    async def _step_aside(self) -> None:
        """Leave the lines to another replica while the logs cannot be heard, and come back afterwards."""
        aside = not self._leaving and not self._hears() and await self._rows.others_live()
        if aside and not self._aside:
            _log.warning("this replica cannot follow the logs; it leaves its lines to another one")
        elif self._aside and not aside:
            _log.info("this replica takes lines again")
        self._aside = aside

    async def _prepare(self, forces: Sequence[str]) -> None:
        new = [force for force in forces if force not in self._prepared]
        if new and self._in_every_force:
            await self._rows.add(new, self._in_every_force, [DEFAULT_CURSOR])
        self._prepared.update(new)

    def _compare(self, tended: Sequence[Tended], forces: frozenset[str]) -> None:
        """Start and end lines so that they match the rows."""
        rows = {each.lease.key: each for each in tended}
        for key, held in self._held.items():
            row = rows.get(key)
            if row is not None and row.lease == held.running.lease and row.follows and not self._away:
                continue
            if key.force in forces and (row is None or row.lease.epoch != held.running.lease.epoch):
                # The lease is lost, or uncommitted results will be refused.
                self._cut(held)
            else:
                self._end(held)
        self._hand_over(rows)
        for key, row in rows.items():
            if key not in self._held and row.follows and not self._away:
                self._start(row.lease)

    def _hand_over(self, rows: Mapping[Key, Tended]) -> None:
        surplus = next((row.surplus for row in rows.values()), 0)
        ending = sum(self._held[key].ending for key, row in rows.items() if row.follows and key in self._held)
        # Lines that started last are handed over first.
        staying = [held for held in reversed(self._held.values()) if not held.ending]
        for held in staying[: max(0, surplus - ending)]:
            self._end(held)

    def _start(self, lease: Lease) -> None:
        held = _Held(Running(lease, self._make, self._rows, self._clock))
        held.task = asyncio.create_task(self._keep(held), name=f"line {lease.line} of {lease.force}")
        self._held[lease.key] = held
        _log.info("the line runs here", extra=_labels(lease))

    async def _keep(self, held: _Held) -> None:
        lease, began = held.running.lease, self._clock()
        try:
            await held.running.run()
        except FencedError:
            # The next tick shows whether the lease is lost or only has a new epoch.
            held.cut = held.ending = True
            _log.info("the line starts again: its write was refused", extra=_labels(lease))
            await asyncio.sleep(self._wait_after_refusal(lease, self._clock() - began))
        except Exception as error:  # noqa: BLE001 - `run` raises it
            self._fail(error)
        finally:
            await self._drop(held)

    def _wait_after_refusal(self, lease: Lease, lasted: float) -> float:
        refusals = self._refusals[lease.key]
        # Several changes in a row give several epochs, and each is a reason of its own to start again.
        if lasted > _WELL_AFTER_SECONDS or self._refused.get(lease.key) != lease.epoch:
            refusals.succeeded()
        self._refused[lease.key] = lease.epoch
        return refusals.next_wait()

    async def _drop(self, held: _Held) -> None:
        lease = held.running.lease
        try:
            # Not during a tick, whose answer would still show the line as held.
            async with self._ticking:
                if not held.cut:
                    await self._rows.release(lease)
        except Exception as error:
            if not is_transient(error):
                raise
            _log.warning("the lease is left to expire", extra={**_labels(lease), "cause": cause_of(error)})
        finally:
            del self._held[lease.key]
            self._wake.set()

    def _end(self, held: _Held) -> None:
        """End a line after the step under way, or after `stop_seconds`."""
        if not held.ending:
            held.ending = True
            held.running.finish()
            self._spawn(self._cancel_after(held, self._stop_seconds))

    def _cut(self, held: _Held) -> None:
        """End a line at once: it may not write any more."""
        if not held.cut:
            held.ending = held.cut = True
            self._spawn(self._cancel_after(held, 0.0))

    async def _cancel_after(self, held: _Held, seconds: float) -> None:
        await asyncio.wait([held.task], timeout=seconds)
        try:
            await ended([held.task])
        except EndlessTaskError as error:
            # Otherwise its lease would be renewed without end, and no replica would run the line.
            self._fail(error)

    async def _give_up_what_expired(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if self._clock() - self._sure_at > SURE_SECONDS:
                for held in self._held.values():
                    self._cut(held)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._over.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="end a line")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


@dataclass
class _Held:
    """A line that runs here.

    `ending`: it ends after the step under way. `cut`: its writes are refused, it releases nothing.
    """

    running: Running
    task: asyncio.Task[None] = field(init=False)
    ending: bool = False
    cut: bool = False


def _labels(lease: Lease) -> dict[str, str]:
    return {"force": lease.force, "line": lease.line}
