"""Waits for a service that is being restarted, for a bounded time, and says so."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

import grpc

from chassis.errors import Fault
from cli.exits import CliError, Exit
from cli.faults import fault_of
from cli.home import SuiteHome
from cli.inert import inert
from cli.options import run
from cli.output import note
from cli.verbs import Session
from suite.steps import Phase

SECONDS: Final = 10.0
_BETWEEN_TRIES_SECONDS: Final = 0.3
_SHORTEST_TRY_SECONDS: Final = 2.0
USUAL_SECONDS: Final = 3.0
_SILENT: Final = frozenset({"UNAVAILABLE", "FORCE_UNKNOWN"})
Work = Callable[[], Coroutine[Any, Any, None]]


class Patience:
    """Decides how long a call is repeated while its service is unavailable. It says once that it waits."""

    def __init__(
        self,
        running: Callable[[], object],
        service: str,
        say: Callable[[str], None],
        seconds: float,
        *,
        starting: Callable[[], bool] = lambda: False,
    ) -> None:
        """`running` says whether a suite runs at all. Without one, waiting is useless.

        While it is `starting` its forces may not be there yet.
        """
        self._running = running
        self._starting = starting
        self._service = service
        self._say = say
        self._seconds = seconds
        self._until: float | None = None
        self._error: Exception | None = None
        self._said = False

    async def wait(self, error: Exception) -> None:
        """Wait before the next call. Raises the error when it cannot pass, or after the time is over."""
        now = time.monotonic()
        self._until = self._until or now + self._seconds
        if now > self._until or not self._may_pass(error):
            raise error
        self._error = error
        self.tell(self._seconds, _said_by_the_service(error))
        await asyncio.sleep(_BETWEEN_TRIES_SECONDS)

    async def try_again(self, work: Work) -> None:
        """Do the work. Once a try has failed, the next ones get what is left of the time and no more."""
        if self._error is None or self._until is None:
            await work()
            return
        try:
            async with asyncio.timeout(
                max(_SHORTEST_TRY_SECONDS, self._until - time.monotonic())
            ) as time_left:
                await work()
        except TimeoutError:
            if not time_left.expired():
                raise
            raise self._error from None

    def tell(self, seconds: float, said: str = "") -> None:
        """Say that the command waits: once, until the service has answered. `said`: the service's refusal."""
        if not self._said:
            self._said = True
            what = f"cannot do it now ({said});" if said else "is not answering,"
            self._say(f"{self._service} {what} trying for {seconds:.0f} s")

    def tell_slow(self) -> None:
        """Say that the service is slow to answer."""
        self._say(f"{self._service} is slow to answer, still waiting")

    def answered(self) -> None:
        """The service has answered: the next outage has its full time again."""
        self._until, self._error, self._said = None, None, False

    def _may_pass(self, error: Exception) -> bool:
        if isinstance(error, CliError):
            return error.code is Exit.UNREACHABLE and bool(self._running())
        fault = fault_of(error)  # type: ignore[arg-type]
        if fault.reason == "FORCE_UNKNOWN":
            return self._starting()
        return fault.status is grpc.StatusCode.UNAVAILABLE


def run_patiently(
    session: Session,
    service: str,
    work: Work,
    *,
    takes_its_time: bool = False,
    answered: asyncio.Event | None = None,
) -> None:
    """Run a verb's work, and repeat it while `service` is unavailable. Only for idempotent work.

    A slow answer is reported, unless it is expected (`takes_its_time`). Work that asks other services as well
    sets `answered` when `service` has answered: what is slow from then on is not this service.
    """

    home, say = SuiteHome(session.home), quiet_note(as_json=session.as_json)
    patience = Patience(_runs(home), service, say, SECONDS, starting=_starts(home))
    run(_repeated(work, patience, None if takes_its_time else USUAL_SECONDS, answered))


def _runs(home: SuiteHome) -> Callable[[], bool]:
    """Whether a suite runs there, or is about to."""
    return lambda: bool(home.processes() or home.step())


def _starts(home: SuiteHome) -> Callable[[], bool]:
    """Whether a suite is about to run there."""
    return lambda: (step := home.step()) is not None and step.phase == Phase.STARTING


def quiet_note(*, as_json: bool) -> Callable[[str], None]:
    """Remarks for people; a script that asked for JSON gets none."""
    return _nothing if as_json else note


async def _repeated(
    work: Work, patience: Patience, usual_seconds: float | None, answered: asyncio.Event | None = None
) -> None:
    while True:
        try:
            return await _told_when_slow(work, patience, usual_seconds, answered)
        except (CliError, Fault, grpc.aio.AioRpcError) as error:
            await patience.wait(error)


async def _told_when_slow(
    work: Work, patience: Patience, usual_seconds: float | None, answered: asyncio.Event | None
) -> None:
    if usual_seconds is None:
        await work()  # a try may take minutes, such as the import of a long list
        return
    telling = asyncio.create_task(_tell_later(patience, usual_seconds, answered), name="slow answer")
    try:
        await patience.try_again(work)
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _tell_later(patience: Patience, seconds: float, answered: asyncio.Event | None) -> None:
    await asyncio.sleep(seconds)
    if answered is None or not answered.is_set():
        patience.tell_slow()


def _said_by_the_service(error: Exception) -> str:
    """Why a service that does answer cannot do it now; empty for one that is silent."""
    if isinstance(error, CliError):
        return ""
    fault = fault_of(error)  # type: ignore[arg-type]
    return inert(fault.message) if fault.reason not in _SILENT else ""


def _nothing(_: str) -> None:
    pass
