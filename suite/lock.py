"""One owner at a time for a state folder."""

import fcntl
import os
from pathlib import Path

from suite.errors import SuiteError


class FolderLock:
    """An advisory lock on a file in the folder; the kernel releases it when the owner ends in any way."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take it at once, or raise SuiteError when another process has it."""
        if self._descriptor is not None:
            return
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise SuiteError(
                f"{self._file.parent} is in use by another running suite: "
                "stop that one first, or choose another folder"
            ) from None
        self._descriptor = descriptor

    def release(self) -> None:
        """Let it go; harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
