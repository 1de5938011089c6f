"""What a file is, told from its first bytes: a table, JSON lines, or something that cannot be read."""

from __future__ import annotations

from tables.faults import CutError, RowError, TableError
from tables.furniture import BLANKS
from tables.kinds import looks_like_json
from tables.lines import Lines


def is_json(start: bytes, *, longest: int) -> bool:
    """Whether a file with these first bytes is JSON lines. TableError when it is empty or no text at all."""
    lines, first = Lines(longest), ""
    try:
        for take in (lines.feed(start), lines.finish()):
            for _, text in take:
                if not isinstance(text, RowError):
                    first = first or text.strip(BLANKS)
    except CutError:
        # The first bytes are only a part of the compressed data.
        if lines.empty and len(start) < 1024:
            raise
    if first.startswith("[") and looks_like_json(first):
        raise TableError("the file is one JSON array: write one object a line instead (JSON lines)")
    if lines.empty:
        raise TableError("the file is empty")
    return first.startswith("{")
