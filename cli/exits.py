"""The exit codes of the command, and its error."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """The exit codes."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    NOT_FOUND = 5
    ALREADY = 6
    INTERRUPTED = 130


MEANINGS: Final = {
    Exit.OK: "done",
    Exit.FAILED: "failed",
    Exit.USAGE: "the command line, or the file it names, is wrong",
    Exit.UNREACHABLE: "the suite or one of its services cannot be reached",
    Exit.REFUSED: "refused: not permitted for this person or feed",
    Exit.NOT_FOUND: "what was asked for does not exist",
    Exit.ALREADY: "it had been done before; nothing was changed",
    Exit.INTERRUPTED: "interrupted by Ctrl-C or SIGTERM",
}


class CliError(Exception):
    """The command cannot do what was asked. The text says what is wrong, where, and what to do."""

    def __init__(
        self, message: str, code: Exit = Exit.FAILED, *, reason: str = "", more: Sequence[str] = ()
    ) -> None:
        """`message` is one line, and `more` are lines below it.

        `reason` is a service's reason code, for `--json`; empty when the command itself refuses.
        """
        super().__init__(message)
        self.more = tuple(more)
        self.message = message
        self.code = code
        self.reason = reason
