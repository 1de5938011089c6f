"""Writes JSON for scripts, one value a line. It imports only the standard library."""

import json
import sys
from datetime import datetime
from typing import IO


def write_json(value: object, *, stream: IO[str] | None = None) -> None:
    """One JSON value on one line, written at once so that a reader of the pipe need not wait."""
    target = stream or sys.stdout
    target.write(json.dumps(value, ensure_ascii=False, default=_plain, separators=(", ", ": ")) + "\n")
    target.flush()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
