"""Writes JSON for scripts, one value a line. Beyond the standard library it imports next to nothing."""

import json
import sys
from datetime import datetime
from typing import IO

from cli.writing import write_line


def write_json(value: object, *, stream: IO[str] | None = None) -> None:
    """One JSON value on one line, written at once so that a reader of the pipe need not wait."""
    target = stream or sys.stdout
    text = json.dumps(value, ensure_ascii=False, default=_plain, separators=(", ", ": "))
    write_line(target, text if text.isprintable() else _escaped(text))


def _escaped(text: str) -> str:
    """The same JSON without characters that a terminal obeys or that cannot be seen."""
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
