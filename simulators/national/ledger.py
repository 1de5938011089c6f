"""The reads that a national simulator accepted. They are on disk before it answers.

``accepted.log`` has one line a read: force, camera_id, captured_at in microseconds and read_id, separated
by tabs; a tab, carriage return, newline or backslash inside a field is written as in a Python string.
A crash can leave an incomplete last line. The next start cuts it off.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Final

FILE_NAME: Final = "accepted.log"
_CHUNK_BYTES: Final = 1 << 20
_LINE: Final = "%s\t%s\t%d\t%s\n"
_SPECIAL: Final = re.compile(r"[\\\t\r\n]")
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\r": "\\r", "\n": "\\n"})


class LedgerBusyError(Exception):
    """Another process writes this ledger."""


@dataclass(frozen=True)
class Identities:
    """The identities of reads of one force, one list a field."""

    force: str
    camera_ids: Sequence[str]
    captured_at_us: Sequence[int]
    read_ids: Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """The result of a submission. `refused`: indexes of its reads, ascending."""

    accepted: int
    duplicate: int
    refused: Sequence[int]


@dataclass(frozen=True)
class _Waiting:
    force: str
    lines: list[str]
    refuse_every: int
    done: asyncio.Future[Outcome]


@dataclass(frozen=True)
class _Judged:
    waiting: _Waiting
    fresh: list[str]
    refused: Sequence[int]

    def outcome(self) -> Outcome:
        duplicate = len(self.waiting.lines) - len(self.fresh) - len(self.refused)
        return Outcome(len(self.fresh), duplicate, self.refused)


class Ledger:
    """The reads accepted so far; open it with `open_ledger`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # Hashes of lines take a tenth of the memory of lines. With 64 bits, two of ten million reads collide
        # with a chance of three in a million.
        self._seen: set[int] = set()
        self._size = 0
        self._queue: list[_Waiting] = []
        self._wake = asyncio.Event()
        self.accepted: Counter[str] = Counter()
        self.duplicate: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    @property
    def size(self) -> int:
        """Bytes of the file that are durable; never inside a line."""
        return self._size

    async def accept(self, reads: Identities, refuse_every: int = 0) -> Outcome:
        """Take reads; durable when it returns. Raises OSError when they cannot be written.

        With `refuse_every` N, about one new read in N is refused. The same reads are refused in a repeat.
        """
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(reads.force, _lines_of(reads), refuse_every, done))
        self._wake.set()
        return await done

    def poisoned(self, reads: Identities, poison_every: int) -> bool:
        """Whether a read of the submission is poisonous: about one in `poison_every`, always the same."""
        return poison_every > 0 and any(_is_one_in(poison_every, line) for line in _lines_of(reads))

    async def write_forever(self) -> None:
        """Write the queue to disk, without end. Each turn writes all queued lines with one fsync."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            queued, self._queue = self._queue, []
            judged = [self._judge(waiting) for waiting in queued]
            try:
                await asyncio.get_running_loop().run_in_executor(None, self._append, judged)
            except OSError as error:
                self._forget(judged, error)
            else:
                self._answer(judged)

    def load(self) -> None:
        """Read the ledger of earlier runs, and cut off an incomplete last line."""
        for line in _lines_in(self._descriptor):
            self._seen.add(hash(line))
            self._size += len(line.encode())
            self.accepted[line.partition("\t")[0]] += 1
        os.ftruncate(self._descriptor, self._size)

    async def contents(self) -> AsyncIterator[bytes]:
        """The durable part of the file, in pieces."""
        offset, end = 0, self._size
        while offset < end:
            piece = os.pread(self._descriptor, min(_CHUNK_BYTES, end - offset), offset)
            offset += len(piece)
            yield piece

    def _judge(self, waiting: _Waiting) -> _Judged:
        keys = list(map(hash, waiting.lines))
        unique = set(keys)
        if not waiting.refuse_every and len(unique) == len(keys) and self._seen.isdisjoint(unique):
            self._seen |= unique
            return _Judged(waiting, waiting.lines, ())
        return self._judge_each(waiting, keys)

    def _judge_each(self, waiting: _Waiting, keys: list[int]) -> _Judged:
        fresh, refused = [], []
        for index, (key, line) in enumerate(zip(keys, waiting.lines, strict=True)):
            if key in self._seen:
                continue
            if waiting.refuse_every and _is_one_in(waiting.refuse_every, line):
                refused.append(index)
                continue
            self._seen.add(key)
            fresh.append(line)
        return _Judged(waiting, fresh, refused)

    def _append(self, judged: list[_Judged]) -> None:
        data = "".join(line for one in judged for line in one.fresh).encode()
        if not data:
            return
        try:
            _write_whole(self._descriptor, data)
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(data)

    def _answer(self, judged: list[_Judged]) -> None:
        for one in judged:
            outcome, force = one.outcome(), one.waiting.force
            self.accepted[force] += outcome.accepted
            self.duplicate[force] += outcome.duplicate
            self.refused[force] += len(outcome.refused)
            if not one.waiting.done.done():
                one.waiting.done.set_result(outcome)

    def _forget(self, judged: list[_Judged], error: OSError) -> None:
        for one in judged:
            self._seen.difference_update(map(hash, one.fresh))
            if not one.waiting.done.done():
                one.waiting.done.set_exception(error)


@asynccontextmanager
async def open_ledger(folder: Path) -> AsyncIterator[Ledger]:
    """The ledger in `folder`, made if absent. Raises LedgerBusyError when another process has it."""
    descriptor = _open_locked(folder)
    try:
        ledger = Ledger(descriptor)
        await asyncio.to_thread(ledger.load)
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(ledger.write_forever(), name="ledger")
            yield ledger
            writer.cancel()
    finally:
        os.close(descriptor)


def identities_in(text: str) -> list[tuple[str, str, int, str]]:
    """The identities (force, camera_id, captured_at_us, read_id) in the whole lines of a ledger."""
    rows = (line.split("\t") for line in text.split("\n") if line)
    return [
        (force, _unescaped(camera), int(captured), _unescaped(read_id))
        for force, camera, captured, read_id in rows
    ]


def _is_one_in(every: int, line: str) -> bool:
    return zlib.crc32(line.encode()) % every == 0


def _lines_of(reads: Identities) -> list[str]:
    cameras, read_ids = reads.camera_ids, reads.read_ids
    if _SPECIAL.search("".join(read_ids)) or _SPECIAL.search("".join(cameras)):
        cameras = [text.translate(_ESCAPES) for text in cameras]
        read_ids = [text.translate(_ESCAPES) for text in read_ids]
    rows = zip(repeat(reads.force), cameras, reads.captured_at_us, read_ids, strict=False)
    return list(map(_LINE.__mod__, rows))


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\(.)", lambda found: {"t": "\t", "r": "\r", "n": "\n"}.get(found[1], found[1]), text)


def _lines_in(descriptor: int) -> Iterator[str]:
    offset, rest = 0, b""
    while chunk := os.pread(descriptor, _CHUNK_BYTES, offset):
        offset += len(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode() + "\n" for line in whole)


def _write_whole(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _open_locked(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    _sync_folder(folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise LedgerBusyError(
            f"another simulator uses the state folder {folder}; give each its own"
        ) from None
    return descriptor


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
