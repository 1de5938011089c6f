"""Keeps one force's log followed: waits for the lease, starts a matcher, and starts again when it ends."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Iterator
from typing import Final

from chassis.errors import Fault, OutOfRange
from services.match.leases import Lease
from services.match.live_index import LiveIndex
from services.match.matcher import Matcher
from services.match.passing import passes
from services.match.ports import Announcer, Clock, LeaseSource, Matching, ReadLog, utc_now
from services.match.postgres import Cursor, Fenced

_FIRST_WAIT: Final = 0.1
_MOST_WAIT: Final = 5.0
_WELL_AFTER: Final = 10.0
_KEEP_INDEX_SECONDS: Final = 60.0
_FENCED_WAIT: Final = 0.02

_log = logging.getLogger(__name__)


class _LeaseLost(Exception):  # noqa: N818 - not an error: another replica goes on
    """Another replica may follow the force now."""


class Follower:
    """Follows the log of one force for as long as this replica has the lease."""

    def __init__(
        self,
        force: str,
        *,
        log: ReadLog,
        matching: Matching,
        index: LiveIndex,
        leases: LeaseSource,
        feed: Announcer,
        clock: Clock = utc_now,
    ) -> None:
        self._force = force
        self._labels = {"force": force}
        self._log = log
        self._matching = matching
        self._index = index
        self._leases = leases
        self._feed = feed
        self._clock = clock
        self._lists_changed = asyncio.Event()
        self._failures = 0

    def lists_changed(self) -> None:
        """The force's hotlists have changed, at this replica or another."""
        self._lists_changed.set()

    async def run(self) -> None:
        """Follow until cancelled. What passes by itself is waited out; a bug is raised."""
        while True:
            lease = await self._lease()
            started = time.monotonic()
            following = asyncio.create_task(self._follow(lease), name=f"follow {self._force}")
            await self._wait_out(await _error_of(following), time.monotonic() - started)

    async def _lease(self) -> Lease:
        """Wait for the lease, at first with the index kept: a database that restarts gives it back soon."""
        try:
            async with asyncio.timeout(_KEEP_INDEX_SECONDS):
                return await self._leases.lease(self._force)
        except TimeoutError:
            self._index.drop()
            return await self._leases.lease(self._force)

    async def _follow(self, lease: Lease) -> None:
        async with self._matching.raising(self._force) as raising, asyncio.TaskGroup() as group:
            group.create_task(_until_lost(lease), name=f"lease of {self._force}")
            self._lists_changed.clear()
            cursor = await self._matching.cursor(self._force)
            index = await self._index.refresh()
            matcher = Matcher(
                self._force,
                Cursor(cursor.position, index.generation),
                index,
                log=self._log,
                raising=raising,
                feed=self._feed,
                clock=self._clock,
            )
            group.create_task(self._until_lists_change(index.generation), name=f"hotlists of {self._force}")
            group.create_task(matcher.warm(), name=f"first time of {self._force}")
            group.create_task(matcher.match(), name=f"matching of {self._force}")
            group.create_task(matcher.write_idle(), name=f"cursor of {self._force}")
            group.create_task(matcher.report(), name=f"report of {self._force}")

    async def _until_lists_change(self, generation: int) -> None:
        """A hint, so that the new index is read at once: the cursor would be refused soon enough."""
        while True:
            await self._lists_changed.wait()
            self._lists_changed.clear()
            if (await self._matching.cursor(self._force)).generation != generation:
                raise Fenced

    async def _wait_out(self, error: BaseException | None, lasted: float) -> None:
        errors = list(_leaves(error)) if error is not None else []
        if error is not None and not all(isinstance(each, _LeaseLost) or passes(each) for each in errors):
            raise error
        if all(isinstance(each, Fenced | _LeaseLost) for each in errors):
            _log.info("starting again from the cursor", extra=self._labels)
            await asyncio.sleep(random.uniform(0, _FENCED_WAIT))  # noqa: S311
            return
        self._failures = 0 if lasted > _WELL_AFTER else self._failures + 1
        wait = min(_MOST_WAIT, _FIRST_WAIT * 2**self._failures)
        # A position that the store does not have is nothing that passes without an engineer.
        level = logging.ERROR if any(isinstance(each, OutOfRange) for each in errors) else logging.WARNING
        reasons = sorted({_reason(each) for each in errors})
        _log.log(level, "matching waits", extra={**self._labels, "reasons": reasons, "seconds": wait})
        await asyncio.sleep(random.uniform(wait / 2, wait))  # noqa: S311


async def _until_lost(lease: Lease) -> None:
    await lease.lost.wait()
    raise _LeaseLost


async def _error_of(task: asyncio.Task[None]) -> BaseException | None:
    """How the task ended. Ends it with us: a task group can mistake our end for that of one of its tasks."""
    try:
        await asyncio.wait([task])
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        error = None if task.cancelled() else task.exception()
    return error


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _reason(error: BaseException) -> str:
    return error.reason if isinstance(error, Fault) else type(error).__name__
