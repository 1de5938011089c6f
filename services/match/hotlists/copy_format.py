"""Entries as rows of PostgreSQL's COPY, in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from anpr.confusable import Keys
from services.match.hotlists.hotlist_file import Entries

COLUMNS: Final = (
    "load_no",
    "folded_key",
    "weed_at",
    "line",
    "priority",
    "vrm",
    "reason",
    "markers",
    "instruction",
    "make",
    "model",
    "colour",
    "country",
)


def copy_text(load_no: int, entries: Entries, keys: Keys) -> bytes:
    """Rows of COLUMNS in COPY's text format. `keys` has the folded key of each entry."""
    texts = (
        *(entries.reasons, entries.markers, entries.instructions),
        *(entries.makes, entries.models, entries.colours, entries.countries),
    )
    rows = zip(
        *(
            [str(load_no)] * len(entries),
            map(str, keys.tolist()),
            entries.weed_dates,
            map(str, entries.lines),
        ),
        *(entries.priorities, entries.vrms, *map(_escaped, texts)),
        strict=True,
    )
    return "\n".join((*map("\t".join, rows), "")).encode()


def _escaped(texts: Sequence[str]) -> Sequence[str]:
    # Tabs and line ends cannot occur: HotlistFile refuses control characters.
    if "\\" in "".join(texts):
        return [text.replace("\\", "\\\\") for text in texts]
    return texts
