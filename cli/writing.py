"""Writes a line to a stream. What cannot be written is told as what it is: the answer, and not the suite."""

import sys
from typing import IO

from cli.exits import CliError


def write_line(stream: IO[str], line: str) -> None:
    """Write a line and flush it. CliError when a result cannot be written, such as to a full disk.

    BrokenPipeError stays as it is: the reader of a pipe may end when it wants.
    """
    try:
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        if stream is not sys.stdout:
            raise
        raise unwritten(error) from error


def unwritten(error: OSError) -> CliError:
    """That a result could not be written."""
    reason = (error.strerror or str(error)).lower()
    return CliError(f"the output cannot be written where it was directed to: {reason}")
