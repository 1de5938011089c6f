"""What a suite is doing now, in a file, so that another process can tell: it starts, runs or stops."""

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

FILE_NAME: Final = "suite.step"


class Phase(StrEnum):
    """The life of a suite."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass(frozen=True)
class Step:
    """What the suite of a process does. `phase_at` and `said_at` are seconds since 1970."""

    pid: int
    born: str
    phase: str
    phase_at: float
    said: str
    said_at: float

    @property
    def phase_seconds(self) -> float:
        """How long the phase has lasted."""
        return max(0.0, time.time() - self.phase_at)

    @property
    def said_seconds(self) -> float:
        """How long ago the sentence was said."""
        return max(0.0, time.time() - self.said_at)

    @property
    def sentence(self) -> str:
        """The phase with its duration, and what the suite said last, as long as it does not run."""
        told = f": {self.said}" if self.said and self.phase != Phase.RUNNING else ""
        return f"{self.phase}, for {self.phase_seconds:.0f} s now{told}"


class Steps:
    """Writes down what the suite of this process does. A full disk is no reason not to do it."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        """`folder` is where processes leave their ports. `say` gets every sentence, too."""
        self._file = folder / FILE_NAME
        self._say = say
        self._step: Step | None = None

    def begin(self, phase: Phase) -> None:
        """A phase begins."""
        now = time.time()
        self._write(Step(os.getpid(), birth_of(os.getpid()), phase, now, "", now))

    def say(self, sentence: str) -> None:
        """Tell what is being done now."""
        if (step := self._step) is not None:
            self._write(Step(step.pid, step.born, step.phase, step.phase_at, sentence, time.time()))
        self._say(sentence)

    def end(self) -> None:
        """Nothing is done any more."""
        self._step = None
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _write(self, step: Step) -> None:
        self._step = step
        draft = self._file.with_name(f"{FILE_NAME}.draft")
        with contextlib.suppress(OSError):
            draft.write_text(json.dumps(asdict(step)))
            draft.replace(self._file)


def read_step(folder: Path) -> Step | None:
    """What the suite that wrote to a folder does; None when there is none, or its process has ended."""
    try:
        step = Step(**json.loads((folder / FILE_NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return step if lives(step.pid) and birth_of(step.pid) == step.born else None


def lives(pid: int) -> bool:
    """Whether a process has this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def birth_of(pid: int) -> str:
    """When a process was started, in the kernel's ticks; it tells two processes of one number apart.

    Empty where the kernel does not say.
    """
    return _stat(pid, 19)


def is_frozen(pid: int) -> bool:
    """Whether a process is stopped by a signal (SIGSTOP) or a debugger."""
    return _stat(pid, 0) in {"T", "t"}


def _stat(pid: int, field: int) -> str:
    """A field of /proc/PID/stat, counted from the state, which follows the name in parentheses."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[field]
    except (OSError, IndexError):
        return ""
