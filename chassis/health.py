"""Health (grpc.health.v1, plaintext, on a port of its own), answered from the checks of the services.

The names: each gRPC service, "" for all of them together (readiness), and "liveness", which depends on
nothing but this process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from chassis.errors import Fault
from chassis.transient import cause_of

LIVENESS: Final = "liveness"
_EVERY_SECONDS: Final = 1.0
_CHECK_SECONDS: Final = 3.0
_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING

Check = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)


class Health:
    """Runs the services' checks once a second, however many clients ask, and answers from the result."""

    def __init__(self) -> None:
        self._answers = health_aio.HealthServicer()
        self._checks: dict[str, Check | None] = {}
        self._ready: dict[str, bool] = {}
        self._failing: set[Check] = set()
        self._ended = False

    def register(self, server: grpc.aio.Server) -> None:
        """Answer on `server`."""
        health_pb2_grpc.add_HealthServicer_to_server(self._answers, server)

    def add(self, service: str, check: Check | None) -> None:
        """Watch `service`: it is ready while `check` returns within 3 s without raising."""
        self._checks[service] = check
        self._ready[service] = False

    async def begin(self) -> None:
        """Answer NOT_SERVING until the first checks have passed."""
        await self._answers.set(LIVENESS, _SERVING)
        for service in ("", *self._checks):
            await self._answers.set(service, _NOT_SERVING)

    async def watch(self) -> None:
        """Run the checks every second, without end."""
        while True:
            await self._check_all()
            await asyncio.sleep(_EVERY_SECONDS)

    async def end(self) -> None:
        """Answer NOT_SERVING from now on, because this process stops.

        It is alive until it has drained: were "liveness" to fail, the kubelet would end the drain.
        """
        self._ended = True
        for service in ("", *self._checks):
            await self._answers.set(service, _NOT_SERVING)

    async def hangs(self) -> None:
        """Return as soon as a check has had no answer for 3 s: calls that need the same get none either.

        A check that raises is an answer. The checks are run once a second.
        """
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            if await self._one_hangs():
                return

    async def _one_hangs(self) -> bool:
        tasks = [asyncio.create_task(_asked(check)) for check in self._distinct_checks()]
        try:
            _, late = await asyncio.wait(tasks, timeout=_CHECK_SECONDS) if tasks else ((), ())
            return bool(late)
        finally:
            # They are not waited for: to give back a connection that hangs may take as long again.
            for task in tasks:
                task.cancel()

    def _distinct_checks(self) -> set[Check]:
        # Services often share a check (one pool): ask each only once.
        return {check for check in self._checks.values() if check is not None}

    async def _check_all(self) -> None:
        checks = self._distinct_checks()
        passed = dict(zip(checks, await asyncio.gather(*map(self._passes, checks)), strict=True))
        for service, check in self._checks.items():
            await self._tell(service, check is None or passed[check])
        await self._answer("", ready=all(self._ready.values()))

    async def _tell(self, service: str, ready: bool) -> None:
        if ready != self._ready[service]:
            _log.info("readiness changed", extra={"rpc_service": service, "ready": ready})
        self._ready[service] = ready
        await self._answer(service, ready=ready)

    async def _answer(self, service: str, *, ready: bool) -> None:
        await self._answers.set(service, _SERVING if ready and not self._ended else _NOT_SERVING)

    async def _passes(self, check: Check) -> bool:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await check()
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the answer is "not ready"
            if check not in self._failing:
                said = {"said": error.message} if isinstance(error, Fault) else {}
                _log.warning("readiness check failed", extra={"cause": cause_of(error), **said})
            self._failing.add(check)
            return False
        self._failing.discard(check)
        return True


async def _asked(check: Check) -> None:
    """Run a check until it answers, whatever it says."""
    with suppress(Exception):
        await check()
