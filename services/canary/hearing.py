"""Hears the alerts that the canaries of a force raise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from chassis.backoff import Backoff
from chassis.errors import Fault
from chassis.transient import asked_wait, cause_of
from services.canary.ports import Calls

SILENCE_SECONDS: Final = 15.0
"""Match sends a keep-alive every 10 seconds. A stream that is silent for longer than this is broken."""

_FIRST_WAIT: Final = 0.2
_MOST_WAIT: Final = 2.0


class Ear:
    """Watches the alerts, and watches again when that fails, whatever the reason.

    `listening` is set while match sends. `trouble` is why it is not; empty while it is.
    """

    def __init__(self, force: str, calls: Calls, heard: Callable[[str], None]) -> None:
        self.listening = asyncio.Event()
        self.trouble = "watch not begun"
        self._force = force
        self._calls = calls
        self._heard = heard
        self._backoff = Backoff(_FIRST_WAIT, _MOST_WAIT)

    async def listen(self) -> None:
        """Listen without end."""
        while True:
            asked = None
            try:
                await self._follow()
                self.trouble = "watch ended"
            except (Fault, TimeoutError) as error:
                self.trouble = f"watch {cause_of(error)}"
                asked = asked_wait(error)
            finally:
                self.listening.clear()
            await asyncio.sleep(self._backoff.next_wait(asked))

    async def _follow(self) -> None:
        """Follow one stream to its end."""
        async with aclosing(self._calls.watch(self._force)) as alerts:
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    read_ids = await anext(alerts, None)
                if read_ids is None:
                    return
                self.trouble = ""
                self.listening.set()
                self._backoff.succeeded()
                for read_id in read_ids:
                    self._heard(read_id)
