"""Moves the wall clock of a running process, and slows its disk, with a small library that is loaded into it.

The library is compiled where there is a C compiler. Without one these faults are left out.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_SOURCE = Path(__file__).with_name("preload") / "faults.c"
_NUMBERS = struct.Struct("qq")
_SECOND = 1_000_000_000


class Controls:
    """One file for each process, with what its clock and its disk are changed by."""

    def __init__(self, folder: Path) -> None:
        """Compile the library into the folder. CalledProcessError when the compiler refuses it."""
        self._folder = folder
        self._library = folder / "faults.so"
        compiler = _compiler()
        assert compiler is not None
        command = (
            compiler,
            "-O2",
            "-shared",
            "-fPIC",
            str(_SOURCE),
            "-o",
            str(self._library),
            "-ldl",
            "-lpthread",
        )
        subprocess.run(command, check=True, capture_output=True)
        self._library.chmod(0o755)
        self._changes: dict[str, tuple[float, float]] = {}

    def environment(self, process: str) -> Mapping[str, str]:
        """The variables with which a process is under control."""
        self._write(process)
        return {"LD_PRELOAD": str(self._library), "FAULTS_CONTROL": str(self._file(process))}

    def move_clock(self, process: str, seconds: float) -> None:
        """The wall clock of the process is so far ahead from now on; 0 is right."""
        self._change(process, seconds, self._of(process)[1])

    def slow_disk(self, process: str, seconds: float) -> None:
        """Each sync of a file lasts so much longer from now on."""
        self._change(process, self._of(process)[0], seconds)

    def _of(self, process: str) -> tuple[float, float]:
        return self._changes.get(process, (0.0, 0.0))

    def _change(self, process: str, clock: float, disk: float) -> None:
        self._changes[process] = (clock, disk)
        self._write(process)

    def _write(self, process: str) -> None:
        clock, disk = self._of(process)
        file, numbers = self._file(process), _NUMBERS.pack(round(clock * _SECOND), round(disk * _SECOND))
        # In place, since processes have the file mapped.
        with file.open("r+b" if file.exists() else "wb") as opened:
            opened.write(numbers)
        file.chmod(0o644)

    def _file(self, process: str) -> Path:
        return self._folder / f"{process}.control"


def _compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@contextmanager
def controls_in(folder: Path) -> Iterator[Controls | None]:
    """Controls for the processes started inside the block; PostgreSQL is the process "postgres".

    None without Linux or a C compiler.
    """
    if os.uname().sysname != "Linux" or _compiler() is None:
        yield None
        return
    controls, before = Controls(folder), dict(os.environ)
    # PostgreSQL takes its environment from ours.
    os.environ.update(controls.environment("postgres"))
    try:
        yield controls
    finally:
        os.environ.clear()
        os.environ.update(before)
