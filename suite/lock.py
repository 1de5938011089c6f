"""One owner at a time for a state folder."""

from pathlib import Path

from filelock import FileLock, Timeout

from suite.errors import SuiteError


class FolderLock:
    """A lock on a file in the folder. The kernel releases it when the owner ends in any way."""

    def __init__(self, file: Path) -> None:
        self._folder = file.parent
        self._lock = FileLock(
            file, mode=0o600, thread_local=False, fallback_to_soft=False, preserve_lock_file=True
        )

    def take(self) -> None:
        """Take it at once. SuiteError when another process has it. Taking it twice changes nothing."""
        if self._lock.is_locked:
            return
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise SuiteError(
                f"{self._folder} is in use by another running suite: "
                "stop that one first, or choose another folder"
            ) from None

    def release(self) -> None:
        """Release it; harmless when it is not held."""
        self._lock.release()
