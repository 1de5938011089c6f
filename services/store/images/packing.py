"""The layout of image objects: patch and overview of a read, then those of the next read."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from services.store.days import US_A_DAY, date_of
from services.store.images.objects import ImageStore, object_key

_REF: Final = struct.Struct(">III")


@dataclass(frozen=True, slots=True)
class EntryImages:
    """Where the images of an append are: one object for each day of capture.

    `days` has one day number a read, `refs` one reference as in reads.image.
    """

    object_number: int
    days: Sequence[int]
    refs: Sequence[bytes]


class ImagePacker:
    """Collects the images of one commit, a list for each day of capture."""

    def __init__(self) -> None:
        self._parts: dict[int, list[bytes]] = {}
        self._sizes: dict[int, int] = {}

    def add(
        self, captured_at_us: Sequence[int], patches: Sequence[bytes], overviews: Sequence[bytes]
    ) -> list[bytes]:
        """The references to an append's images, one a read, empty where a read has none.

        `patches` and `overviews` have one element a read, or none. Without images there are no references.
        """
        if not patches and not overviews:
            return []
        nothing = [b""] * len(captured_at_us)
        return [
            self._add(us // US_A_DAY, patch, overview) if patch or overview else b""
            for us, patch, overview in zip(
                captured_at_us, patches or nothing, overviews or nothing, strict=True
            )
        ]

    def days(self) -> list[date]:
        """The days that have images, each for an object of its own."""
        return [date_of(day) for day in self._parts]

    def contents(self) -> list[bytes]:
        """The contents of the objects, in the order of `days`."""
        return [b"".join(parts) for parts in self._parts.values()]

    def _add(self, day: int, patch: bytes, overview: bytes) -> bytes:
        offset = self._sizes.get(day, 0)
        self._sizes[day] = offset + len(patch) + len(overview)
        self._parts.setdefault(day, []).extend((patch, overview))
        return _REF.pack(offset, len(patch), len(overview))


def unpack_ref(ref: bytes) -> tuple[int, int, int]:
    """(offset, bytes of the patch, bytes of the overview) of a reference; zeros when there is none."""
    return _REF.unpack(ref) if ref else (0, 0, 0)


async def fetch_images(
    store: ImageStore, force: str, where: EntryImages
) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """The patches and overviews of an entry, empty where a read has none or it was deleted."""
    contents = {day: await _fetch_day(store, force, where, day) for day in set(where.days)}
    patches, overviews = [], []
    for day, ref in zip(where.days, where.refs, strict=True):
        first, content = contents[day]
        offset, patch, overview = unpack_ref(ref)
        start = offset - first
        patches.append(content[start : start + patch])
        overviews.append(content[start + patch : start + patch + overview])
    return patches, overviews


async def _fetch_day(store: ImageStore, force: str, where: EntryImages, day: int) -> tuple[int, bytes]:
    """(start, bytes) of one range read for all of the entry's images in a day's object."""
    refs = [unpack_ref(ref) for ref, of in zip(where.refs, where.days, strict=True) if ref and of == day]
    if not refs:
        return 0, b""
    first = min(offset for offset, _, _ in refs)
    end = max(offset + patch + overview for offset, patch, overview in refs)
    content = await store.get(object_key(force, date_of(day), where.object_number), first, end - first)
    return first, content or b""
