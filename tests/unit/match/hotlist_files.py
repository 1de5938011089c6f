"""Reads hotlists in tests."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from services.match.hotlists.hotlist_file import Entries, HotlistFile
from tables.faults import Remark

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def read(
    content: bytes, size: int = 1 << 20, columns: dict[str, str] | None = None
) -> tuple[HotlistFile, Entries]:
    file, whole = HotlistFile(columns, NOW), Entries()
    for start in range(0, len(content), size):
        add(whole, file.feed(content[start : start + size]))
    add(whole, file.finish())
    return file, whole


def add(whole: Entries, parts: Iterator[Entries]) -> None:
    for part in parts:
        for name in Entries.__slots__:
            getattr(whole, name).extend(getattr(part, name))


def told(remarks: Sequence[Remark]) -> list[tuple[int, str, str]]:
    return [(each.line, each.column, each.message) for each in remarks]
