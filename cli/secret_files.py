"""New files for their owner alone."""

import os
from pathlib import Path

from cli.exits import CliError, Exit


def write_secret(file: Path, text: str) -> None:
    """Write a new file that only its owner may read. CliError when there is one already; OSError."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CliError(f"{file} exists already: name another file", Exit.ALREADY) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as target:
        target.write(text)
