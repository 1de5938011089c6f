"""A child process with its own session and log file. It ends with its parent and needs no event loop."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("launch.py")
_POLL_SECONDS = 0.05


class Child:
    """A running command.

    It must be started from the main thread: Linux sends the death signal when the starting *thread* ends.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        user: str | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start the command; its output is appended to `log`, and `user` needs root.

        OSError when it cannot start.
        """
        launcher = [
            sys.executable,
            "-I",
            "-S",
            str(_LAUNCHER),
            str(os.getpid()),
            str(int(death_signal)),
            user or "",
        ]
        with open(log, "ab", opener=_private) as output:
            self._popen = subprocess.Popen(  # noqa: S603 - commands are the suite's own
                [*launcher, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id. The launcher and the command have the same one."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._popen.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal. It has no effect when the process has ended."""
        self._popen.send_signal(number)

    async def exited(self) -> int:
        """Wait for the end and return the exit code."""
        if sys.platform == "linux":
            await self._end_of_pidfd()
        while self._popen.poll() is None:  # noqa: ASYNC110 - where the kernel has no pidfd
            await asyncio.sleep(_POLL_SECONDS)
        return self._popen.returncode

    async def stop(self, steps: Sequence[tuple[signal.Signals, float]]) -> int:
        """Send each signal in turn with its patience in seconds; end with SIGKILL. Returns the exit code."""
        for number, patience in steps:
            self.send(number)
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self.exited(), patience)
        self.send(signal.SIGKILL)
        return await self.exited()

    async def _end_of_pidfd(self) -> None:
        if self._popen.poll() is not None:
            return
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        descriptor = os.pidfd_open(self.pid)
        try:
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)


def told_end(code: int) -> str:
    """How a process ended, in words, from its exit code; a negative one is a signal's number."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _private(path: str, flags: int) -> int:
    """Only our OS user may read logs, whatever our umask."""
    return os.open(path, flags, 0o600)


async def run_to_end(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    user: str | None = None,
) -> int:
    """Run a short command to its end and return its exit code. Cancelling kills the command."""
    child = Child(command, log=log, environment=environment, folder=folder, user=user)
    try:
        return await child.exited()
    finally:
        if child.exit_code is None:
            await child.stop(())
