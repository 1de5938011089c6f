"""Images in an object store: those that one commit brings for a day of a force lie in one object, one after another."""

from __future__ import annotations

import asyncio
import os
import secrets
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from chassis.errors import Exhausted, Fault, StartupFailure, Unavailable
from services.store.columns import Append
from services.store.days import US_A_DAY, date_of
from services.store.ring import BatchImages

_REF: Final = struct.Struct(">III")
_RANDOM_BITS: Final = 20
_DISK_FULL: Final = 28


class ImageStore:
    """A folder or a bucket."""

    def __init__(self, objects: ObjectStore, folder: Path | None) -> None:
        self._objects = objects
        self._folder = folder
        self._synced: set[Path] = set()

    async def put(self, key: str, content: bytes) -> None:
        """Keep an object; it is durable on return. Raises Exhausted STORAGE_FULL or Unavailable IMAGES_UNAVAILABLE."""
        try:
            await obstore.put_async(self._objects, key, content)
            if self._folder is not None:
                # The library renames a file into place without a sync.
                await asyncio.to_thread(self._sync, self._folder, key)
        except (BaseError, OSError) as error:
            raise _fault(error) from error

    async def get(self, key: str, start: int, length: int) -> bytes | None:
        """Part of an object; None when the object is gone. Raises Unavailable IMAGES_UNAVAILABLE."""
        try:
            return bytes(await obstore.get_range_async(self._objects, key, start=start, length=length))
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _fault(error) from error

    def _sync(self, root: Path, key: str) -> None:
        file = root / key
        _sync(file)
        for folder in file.parents:
            # A folder's own entry in its parent has to be durable once.
            if folder == file.parent or folder not in self._synced:
                _sync(folder)
            self._synced.add(folder)
            if folder == root:
                return


def open_images(url: str) -> ImageStore:
    """The image store at a ``file://`` or ``s3://`` URL; credentials come from the environment. Raises StartupFailure."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "file":
            folder = Path(unquote(parts.path)).resolve()
            return ImageStore(LocalStore(folder, mkdir=True), folder)
        return ImageStore(from_url(url), None)
    except (BaseError, OSError, ValueError) as error:
        raise StartupFailure(f"GANTRY_STORE__IMAGES cannot be used: {type(error).__name__}.") from error


class ObjectNumbers:
    """Numbers of new objects: the time in milliseconds, then random bits. They only grow."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._last = 0

    def next(self) -> int:
        """A number that no other replica gives out, as far as chance goes."""
        drawn = self._now_us() // 1000 << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        self._last = max(drawn, self._last + 1)
        return self._last


def made_at_us(object_number: int) -> int:
    """When an object number was drawn."""
    return (object_number >> _RANDOM_BITS) * 1000


def object_key(force: str, day: int, object_number: int) -> str:
    """Where the images of a force's day of capture lie that came with one commit. `day` counts from 1970-01-01."""
    return f"{day_prefix(force, day)}{object_number:016x}"


def day_prefix(force: str, day: int) -> str:
    """What the keys of a force's day begin with."""
    return f"{force}/{date_of(day).isoformat()}/"


class ImagePacker:
    """Collects the images of one force's part of a commit, day by day."""

    def __init__(self) -> None:
        self._parts: dict[int, list[bytes]] = {}
        self._sizes: dict[int, int] = {}

    def add(self, append: Append) -> list[bytes]:
        """The references to the append's images, one a read, empty where a read has none."""
        if not append.has_images:
            return []
        nothing = [b""] * append.count
        return [
            self._add(captured_at_us // US_A_DAY, patch, overview) if patch or overview else b""
            for captured_at_us, patch, overview in zip(
                append.columns.captured_at_us,
                append.patches or nothing,
                append.overviews or nothing,
                strict=True,
            )
        ]

    def objects(self) -> dict[int, bytes]:
        """The content of each day's object."""
        return {day: b"".join(parts) for day, parts in self._parts.items()}

    def _add(self, day: int, patch: bytes, overview: bytes) -> bytes:
        offset = self._sizes.get(day, 0)
        self._sizes[day] = offset + len(patch) + len(overview)
        self._parts.setdefault(day, []).extend((patch, overview))
        return _REF.pack(offset, len(patch), len(overview))


def unpack_ref(ref: bytes) -> tuple[int, int, int]:
    """Offset, bytes of the patch and bytes of the overview that a reference stands for; zeros for none."""
    return _REF.unpack(ref) if ref else (0, 0, 0)


async def fetch_images(
    store: ImageStore, force: str, where: BatchImages
) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """The patches and overviews of a batch, empty where a read has none or it is gone."""
    contents = {day: await _fetch_day(store, force, where, day) for day in set(where.days)}
    patches, overviews = [], []
    for day, ref in zip(where.days, where.refs, strict=True):
        first, content = contents[day]
        offset, patch, overview = unpack_ref(ref)
        start = offset - first
        patches.append(content[start : start + patch])
        overviews.append(content[start + patch : start + patch + overview])
    return patches, overviews


async def _fetch_day(store: ImageStore, force: str, where: BatchImages, day: int) -> tuple[int, bytes]:
    """One range read for all of the batch's images in a day's object: where it starts, and what it holds."""
    refs = [unpack_ref(ref) for ref, of in zip(where.refs, where.days, strict=True) if ref and of == day]
    if not refs:
        return 0, b""
    first = min(offset for offset, _, _ in refs)
    end = max(offset + patch + overview for offset, patch, overview in refs)
    content = await store.get(object_key(force, day, where.object_number), first, end - first)
    return first, content or b""


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fault(error: BaseException) -> Fault:
    # The library tells a full disk only in words.
    if getattr(error, "errno", None) == _DISK_FULL or f"os error {_DISK_FULL}" in str(error):
        return Exhausted(
            "STORAGE_FULL", "the image store has no space left; nothing was stored", retry_after=5.0
        )
    return Unavailable("IMAGES_UNAVAILABLE", "the image store does not answer", retry_after=1.0)
