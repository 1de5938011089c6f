"""A service or simulator as a process: starts it, waits until it is ready, restarts and stops it."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from suite.child import Child, told_end
from suite.errors import SuiteError
from suite.logfile import last_lines, lines_from, reason_in, rotate
from suite.restarts import RestartPolicy

READY_SECONDS = 60.0
STOP_SECONDS = 20.0  # a service drains for ten
_POLL_SECONDS = 0.05
_EXCUSED_SECONDS = 2.0
_TELL_SECONDS = 5.0  # in a usual start services wait for each other
_WELL_SECONDS = 5.0  # a process that ends sooner with exit code 0 has not served
_LOOKED_AT_BYTES = 1 << 16
_BAD_SETTINGS = 2  # the exit code of the chassis for wrong settings, which no restart changes
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Command:
    """The command of a process, ``python -m module arguments``, with variables added to our environment.

    An empty variable is left out.
    """

    name: str
    module: str
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def line(self) -> tuple[str, ...]:
        """The whole command line, with our own Python."""
        return (sys.executable, "-m", self.module, *self.arguments)

    @property
    def variables(self) -> dict[str, str]:
        """The whole environment."""
        left_out = {name for name, value in self.environment.items() if not value}
        everything = {**os.environ, **self.environment}
        return {name: value for name, value in everything.items() if name not in left_out}


class Process:
    """One process of a suite. Its output goes to ``logs/NAME.log``, its ports come from ``run/NAME.json``."""

    def __init__(
        self,
        command: Command,
        *,
        logs: Path,
        run: Path,
        restarts: RestartPolicy | None = None,
        say: Callable[[str], None] = _log.info,
        excuse: Callable[[], str] = str,
    ) -> None:
        """Nothing is started; the folders must exist. The command must write its ports to `port_file`.

        `excuse` says why the process cannot live at present through no fault of its own, such as a full disk;
        empty otherwise. A death with an excuse does not count.
        """
        self.name = command.name
        self.log = logs / f"{command.name}.log"
        self.port_file = run / f"{command.name}.json"
        self._pid_file = run / f"{command.name}.pid"
        self._command = command
        self._restarts = restarts or RestartPolicy()
        self._say = say
        self._excuse = excuse
        self._child: Child | None = None
        self._spawned_at = 0.0
        self._log_begins = 0
        self._stopping = False
        self._supervised = False
        self._killed_on_purpose = False

    @property
    def pid(self) -> int | None:
        """Its process id, or None while it is down."""
        return self._child.pid if self._child is not None and self._child.exit_code is None else None

    @property
    def ports(self) -> Mapping[str, int]:
        """The ports it listens on, by name; empty until it does."""
        try:
            return {name: int(port) for name, port in json.loads(self.port_file.read_text()).items()}
        except FileNotFoundError:
            return {}

    async def start(self) -> None:
        """Start it and wait until it is ready. SuiteError with its last log lines when it fails to."""
        self.begin()
        await self.ready()

    def begin(self) -> None:
        """Start it and wait for nothing."""
        self._stopping = False
        self._killed_on_purpose = False
        self._spawn()

    async def ready(self, patience: float = READY_SECONDS) -> None:
        """Wait until it listens and, where it has a health port, says that it is serving.

        Also while `supervise` restarts it. SuiteError after `patience` seconds, or when it died and is not
        restarted.
        """
        begun, told = time.monotonic(), ""
        while not (self.pid is not None and self.ports and await self._serving()):
            if self._child is None or (self._child.exit_code is not None and not self._supervised):
                raise SuiteError(self._explained("did not start"))
            if (waited := time.monotonic() - begun) > patience:
                raise SuiteError(self._explained(f"was not ready after {patience:.0f} s"))
            if waited > _TELL_SECONDS:
                told = self._tell(told)
            await asyncio.sleep(_POLL_SECONDS)

    def supervise(self) -> Coroutine[Any, Any, None]:
        """Restart it whenever it dies, until `stop`.

        SuiteError when it keeps dying, or when its settings are wrong.
        """
        # From the call on, not from the task's first step: `ready` may be asked in between.
        self._supervised = True
        return self._bring_back_for_ever()

    async def _bring_back_for_ever(self) -> None:
        try:
            while self._child is not None and not self._stopping:
                code = await self._child.exited()
                if not self._stopping:
                    await self._bring_back(code)
        finally:
            self._supervised = False

    async def stop(self, patience: float = STOP_SECONDS) -> int | None:
        """Ask it to end, wait `patience` seconds, then kill it. Returns the exit code, if it ever ran."""
        self._stopping = True
        if self._child is None:
            return None
        code = await self._child.stop(((signal.SIGTERM, patience),))
        self._child = None
        self.port_file.unlink(missing_ok=True)
        self._pid_file.unlink(missing_ok=True)
        return code

    def end_now(self) -> None:
        """SIGKILL it without a restart. `stop` still has to be called, and returns at once."""
        self._stopping = True
        self.send(signal.SIGKILL)

    async def kill(self) -> None:
        """SIGKILL it and wait for its end. It is restarted; the restart policy does not count this death."""
        if self._child is not None:
            self._killed_on_purpose = True
            self._child.send(signal.SIGKILL)
            await self._child.exited()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, such as SIGSTOP and SIGCONT."""
        if self._child is not None:
            self._child.send(number)

    async def _bring_back(self, code: int) -> None:
        excuse = self._excuse()
        delay = self._delay(excuse, code)
        if code == _BAD_SETTINGS:
            raise SuiteError(self._explained("refuses its settings"))
        if delay is None:
            raise SuiteError(self._explained(f"keeps dying ({told_end(code)})"))
        because = f", because {excuse}" if excuse else ""
        self._say(f"{self.name} {told_end(code)}{because}; it is being started again")
        await asyncio.sleep(delay)
        if not self._stopping:
            self._spawn()

    def _delay(self, excuse: str, code: int) -> float | None:
        on_purpose, self._killed_on_purpose = self._killed_on_purpose, False
        # A process with a renewed certificate ends by itself, well, and not at once.
        well = code == 0 and time.monotonic() - self._spawned_at > _WELL_SECONDS
        if on_purpose or well:
            return 0.0
        return _EXCUSED_SECONDS if excuse else self._restarts.delay()

    def _spawn(self) -> None:
        self.port_file.unlink(missing_ok=True)
        rotate(self.log)
        self._log_begins = self.log.stat().st_size if self.log.exists() else 0
        self._spawned_at = time.monotonic()
        self._child = Child(self._command.line, log=self.log, environment=self._command.variables)
        with contextlib.suppress(OSError):  # on a full disk the process still has to be watched
            self._pid_file.write_text(f"{self._child.pid}\n")

    async def _serving(self) -> bool:
        port = self.ports.get("health")
        if port is None:
            return True
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            try:
                answer = await health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(), timeout=2.0
                )
            except grpc.aio.AioRpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def _tell(self, told: str) -> str:
        """Say why it is not ready, unless this was `told`. Returns what has been told."""
        reason = self._reason()
        if reason and reason != told:
            self._say(f"{self.name} is not ready: {reason}")
        return reason or told

    def _reason(self) -> str:
        """Why it is not ready, as it has logged since its start; empty when it has said nothing of it."""
        return reason_in(lines_from(self.log, self._log_begins, _LOOKED_AT_BYTES))

    def _explained(self, what: str) -> str:
        if reason := self._reason():
            return f"{self.name} {what}: {reason}. Its log is {self.log}"
        lines = last_lines(self.log)
        return f"{self.name} {what}; the end of {self.log}:\n{lines or '(it wrote nothing)'}"
