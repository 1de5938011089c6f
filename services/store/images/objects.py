"""Images in an object store: one object for each commit, force and day."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from chassis.database_faults import free_bytes
from chassis.errors import Exhausted, Fault, StartupFailure, Unavailable
from services.store.images.said import said_by

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

_PUT_SECONDS: Final = 30.0
# Within the deadline of a call. By default the library retries for minutes.
_REQUEST_TIME: Final = timedelta(seconds=5)
_RETRIES: Final[RetryConfig] = {"max_retries": 2, "retry_timeout": timedelta(seconds=6)}
_RANDOM_BITS: Final = 20
_DISK_FULL: Final = 28
_AT_ONCE: Final = 1_000


class ImageStore:
    """A folder or a bucket.

    Every method raises Unavailable IMAGES_UNAVAILABLE when the store does not answer.
    """

    def __init__(self, objects: ObjectStore, folder: Path | None) -> None:
        self._objects = objects
        self._folder = folder
        self._synced: set[Path] = set()

    def free_bytes(self) -> int | None:
        """What is free on the disk of a folder; None for a bucket."""
        return None if self._folder is None else free_bytes(self._folder)

    async def put(self, key: str, content: bytes) -> None:
        """Keep an object; it is durable on return. Raises Exhausted STORAGE_FULL too."""
        with _faults():
            async with asyncio.timeout(_PUT_SECONDS):
                await obstore.put_async(self._objects, key, content)
                if self._folder is not None:
                    # The library renames a file into place without a sync.
                    await asyncio.to_thread(self._sync, self._folder, key)

    async def get(self, key: str, start: int, length: int) -> bytes | None:
        """Part of an object; None when the object does not exist."""
        with _faults(), suppress(FileNotFoundError):
            return bytes(await obstore.get_range_async(self._objects, key, start=start, length=length))
        return None

    async def days(self, force: str) -> list[date]:
        """The days of a force that have objects."""
        with _faults(), suppress(FileNotFoundError):
            listed = await obstore.list_with_delimiter_async(self._objects, f"{force}/")
            names = [prefix.rstrip("/").rpartition("/")[2] for prefix in listed["common_prefixes"]]
            return [date.fromisoformat(name) for name in names]
        return []

    async def numbers(self, force: str, day: date) -> list[int]:
        """The objects of a force's day."""
        found: list[int] = []
        with _faults(), suppress(FileNotFoundError):
            async for chunk in obstore.list(self._objects, day_prefix(force, day), chunk_size=_AT_ONCE):
                found += [int(each["path"].rpartition("/")[2], 16) for each in chunk]
        return found

    async def delete(self, force: str, day: date, numbers: Sequence[int]) -> None:
        """Delete objects of a force's day. Objects that do not exist are no error."""
        for start in range(0, len(numbers), _AT_ONCE):
            keys = [object_key(force, day, number) for number in numbers[start : start + _AT_ONCE]]
            with _faults(), suppress(FileNotFoundError):
                await obstore.delete_async(self._objects, keys)

    async def discard(self, keys: Sequence[str]) -> None:
        """Delete objects that no read refers to."""
        with _faults(), suppress(FileNotFoundError):
            await obstore.delete_async(self._objects, [*keys])

    async def forget_day(self, force: str, day: date) -> None:
        """Remove the folder of a day, if there are folders and it is empty."""
        if self._folder is not None:
            folder = self._folder / day_prefix(force, day)
            with suppress(OSError):
                await asyncio.to_thread(folder.rmdir)
                self._synced.discard(folder)

    def _sync(self, root: Path, key: str) -> None:
        """Make a file durable, and every folder's entry in its parent, once, on the way up to the root."""
        file = root / key
        _sync(file)
        new: list[Path] = []
        for folder in file.parents:
            _sync(folder)
            if folder in self._synced or folder == root:
                break
            new.append(folder)
        # Only now, when it is durable: another thread relies on this entry.
        self._synced.update(new)


def made_durable(folder: Path) -> Path:
    """Make a folder that is missing, so that it survives a crash."""
    if not folder.exists():
        made_durable(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)
    return folder


def open_images(url: str) -> ImageStore:
    """The image store at a ``file://`` or ``s3://`` URL; credentials come from the environment.

    Raises StartupFailure.
    """
    parts = urlsplit(url)
    try:
        if parts.scheme == "file":
            folder = made_durable(Path(unquote(parts.path)).resolve())
            return ImageStore(LocalStore(folder), folder)
        return ImageStore(from_url(url, client_options=_client_options(), retry_config=_RETRIES), None)
    except (BaseError, OSError, ValueError) as error:
        raise StartupFailure(f"GANTRY_STORE__IMAGES cannot be used: it {said_by(error)}.") from error


def _client_options() -> ClientConfig:
    # The library reads this variable only when it gets no options.
    plaintext = os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"1", "true"}
    return {"timeout": _REQUEST_TIME, "allow_http": plaintext}


class ObjectNumbers:
    """Numbers of new objects: the time in milliseconds, then random bits. They only grow."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, now_us: int) -> int:
        """A number that no other replica draws, with high probability."""
        drawn = now_us // 1000 << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        self._last = max(drawn, self._last + 1)
        return self._last


def made_at_us(object_number: int) -> int:
    """When an object number was drawn."""
    return (object_number >> _RANDOM_BITS) * 1000


def object_key(force: str, day: date, object_number: int) -> str:
    """The key of the object with a commit's images for one day of a force."""
    return f"{day_prefix(force, day)}{object_number:016x}"


def day_prefix(force: str, day: date) -> str:
    """The prefix of the keys of a force's day."""
    return f"{force}/{day.isoformat()}/"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError, TimeoutError) as error:
        raise _fault(error) from error


def _fault(error: BaseException) -> Fault:
    # The library reports a full disk only in its text.
    if getattr(error, "errno", None) == _DISK_FULL or f"os error {_DISK_FULL}" in str(error):
        return Exhausted(
            "STORAGE_FULL", "the image store has no space left; nothing was stored", retry_after=5.0
        )
    return Unavailable("IMAGES_UNAVAILABLE", f"the image store {said_by(error)}", retry_after=1.0)
