"""Entries as rows of PostgreSQL's COPY, in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from anpr.confusable import Keys
from services.match.hotlists.hotlist_file import Entries

COLUMNS: Final = (
    "load_no",
    "folded_key",
    "line",
    "vrm",
    "reason",
    "priority",
    "markers",
    "instruction",
    "weed_at",
)


def copy_text(load_no: int, entries: Entries, keys: Keys) -> bytes:
    """Rows of COLUMNS in COPY's text format. `keys` has the folded key of each entry."""
    free_texts = [entries.reasons, entries.markers, entries.instructions]
    reasons, markers, instructions = (_escaped(texts) for texts in free_texts)
    rows = zip(
        keys.tolist(),
        entries.lines,
        entries.vrms,
        reasons,
        entries.priorities,
        markers,
        instructions,
        entries.weed_dates,
        strict=True,
    )
    return "".join(
        f"{load_no}\t{key}\t{line}\t{vrm}\t{reason}\t{priority}\t{marks}\t{instruction}\t{weed_at}\n"
        for key, line, vrm, reason, priority, marks, instruction, weed_at in rows
    ).encode()


def _escaped(texts: Sequence[str]) -> Sequence[str]:
    # Tabs and line ends cannot occur: HotlistFile refuses control characters.
    if any("\\" in text for text in texts):
        return [text.replace("\\", "\\\\") for text in texts]
    return texts
