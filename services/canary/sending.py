"""Sends the canaries of a force as a vendor sends reads: what was not acknowledged is sent again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from chassis.backoff import Backoff
from chassis.errors import Fault, Unauthenticated
from chassis.transient import cause_of
from services.canary.hearing import Ear
from services.canary.ports import Calls, Canary, RejectedError

_FIRST_WAIT: Final = 0.5
_MOST_WAIT: Final = 5.0


class Sender:
    """Prepares, enrols and sends. `trouble` is why the last canary was not taken; empty when it was.

    A refusal within `settling` seconds of an enrolment brings no other token: a replica of ingest may learn
    of the new one late.
    """

    def __init__(
        self,
        force: str,
        calls: Calls,
        ear: Ear,
        settling: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trouble = ""
        self._force = force
        self._calls = calls
        self._ear = ear
        self._settling = settling
        self._clock = clock
        self._backoff = Backoff(_FIRST_WAIT, _MOST_WAIT)
        self._prepared = False
        self._token: str | None = None
        self._enrolled_at = 0.0

    async def send(self, canary: Canary, sent: Callable[[str, float], None]) -> None:
        """Send a canary, and try again until ingest has taken it: the caller ends that.

        `sent` is called before each attempt, with its read_id and the time.
        """
        while True:
            try:
                await self._attempt(canary, sent)
            except (Fault, RejectedError) as error:
                asked = error.retry_after if isinstance(error, Fault) else None
                await asyncio.sleep(self._backoff.next_wait(asked))
            else:
                self._backoff.succeeded()
                self.trouble = ""
                return

    def prepare_again(self) -> None:
        """Prepare before the next canary: an entry that is gone would be the reason that none is heard."""
        self._prepared = False

    async def _attempt(self, canary: Canary, sent: Callable[[str, float], None]) -> None:
        if not self._prepared:
            with self._telling("prepare"):
                await self._calls.prepare(self._force)
            self._prepared = True
        # An alert that is raised before would not be heard.
        await self._ear.listening.wait()
        if self._token is None:
            with self._telling("enrol"):
                self._token = await self._calls.enrol(self._force)
            self._enrolled_at = self._clock()
        sent(canary.read_id, self._clock())
        with self._telling("send"):
            await self._deliver(self._token, canary)

    async def _deliver(self, token: str, canary: Canary) -> None:
        try:
            await self._calls.send(token, canary)
        except (Unauthenticated, RejectedError):
            if self._clock() - self._enrolled_at > self._settling:
                self._token = None
            raise

    @contextmanager
    def _telling(self, step: str) -> Iterator[None]:
        self.trouble = self.trouble or f"{step} without answer"
        try:
            yield
        except RejectedError as error:
            self.trouble = f"{step} rejected {error}"
            raise
        except Fault as fault:
            self.trouble = f"{step} {cause_of(fault)}"
            raise
