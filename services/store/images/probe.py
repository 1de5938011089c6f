"""Checks that an image store takes, gives back and deletes an object: at the start, then for readiness."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from chassis.errors import Exhausted, Fault, StartupFailure, Unavailable
from services.store.images.said import is_final

_WHILE_WELL_SECONDS: Final = 10.0
"""A probe is three requests, and a store may bill each."""
_WHILE_ILL_SECONDS: Final = 2.0
# Readiness has 3 s for all its checks.
_PROBE_SECONDS: Final = 2.5


class ProbedStore(Protocol):
    """See `services.store.images.objects.ImageStore`."""

    async def put(self, key: str, content: bytes) -> None:
        """Keep an object."""

    async def get(self, key: str, start: int, length: int) -> bytes | None:
        """Part of an object."""

    async def discard(self, keys: Sequence[str]) -> None:
        """Delete objects."""


class ImageProbe:
    """Probes one image store. No force has a code that begins like the key of the probe."""

    def __init__(self, images: ProbedStore, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._images = images
        self._monotonic = monotonic
        self._key = f"_probe/{secrets.token_hex(8)}"
        self._fault: Fault | None = None
        self._again_at = 0.0

    async def at_start(self) -> None:
        """Raise StartupFailure for what only a person can correct. The rest is left to readiness."""
        try:
            await self._probe()
        except Exhausted:
            return
        except Fault as fault:
            if fault.__cause__ is not None and is_final(fault.__cause__):
                raise StartupFailure(f"GANTRY_STORE__IMAGES cannot be used: {fault.message}.") from fault

    async def ping(self) -> None:
        """Raise the fault of the last probe, which is at most ten seconds old."""
        if self._monotonic() >= self._again_at:
            self._fault = None
            try:
                await self._probe()
            except Fault as fault:
                self._fault = fault
            wait = _WHILE_WELL_SECONDS if self._fault is None else _WHILE_ILL_SECONDS
            self._again_at = self._monotonic() + wait
        if self._fault is not None:
            raise self._fault

    async def _probe(self) -> None:
        content = secrets.token_bytes(16)
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._images.put(self._key, content)
                found = await self._images.get(self._key, 0, len(content))
                await self._images.discard([self._key])
        except TimeoutError:
            raise _unavailable(f"did not answer within {_PROBE_SECONDS:g} s") from None
        if found != content:
            raise _unavailable("gave back something else than it was given")


def _unavailable(happened: str) -> Unavailable:
    return Unavailable("IMAGES_UNAVAILABLE", f"the image store {happened}", retry_after=1.0)
