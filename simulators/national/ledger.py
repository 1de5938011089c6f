"""The reads that a national simulator accepted. They are on disk before it answers.

``accepted.log`` has one line a read: force, camera_id, captured_at in microseconds and read_id, separated
by tabs; a tab, carriage return, newline or backslash inside a field is written as in a Python string.
A crash can leave an incomplete last line. The next start cuts it off. ``accepted.index`` finds duplicates.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import sqlite3
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from threading import Lock
from typing import Final

from simulators.national.index import Index, Key, key_of

FILE_NAME: Final = "accepted.log"
_CHUNK_BYTES: Final = 1 << 20
_INDEX_AT_ONCE: Final = 50_000
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
    keys: list[Key]
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

    def __init__(self, descriptor: int, index: Index) -> None:
        self._descriptor = descriptor
        self._index = index
        self._size = 0
        self._queue: list[_Waiting] = []
        self._wake = asyncio.Event()
        self.writing = Lock()
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
        lines = _lines_of(reads)
        keys = list(map(key_of, reads.captured_at_us, lines))
        self._queue.append(_Waiting(reads.force, lines, keys, refuse_every, done))
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
            try:
                judged = await asyncio.get_running_loop().run_in_executor(None, self._write, queued)
            except OSError as error:
                self._fail(queued, error)
            else:
                self._answer(judged)

    def load(self) -> None:
        """Take over the ledger of earlier runs: complete the index, and cut off an incomplete last line."""
        if self._index.bytes > os.fstat(self._descriptor).st_size:
            self._index.start_again()
        self._size = self._index.bytes
        keys: dict[Key, None] = {}
        counts: Counter[str] = Counter()
        for line in _lines_in(self._descriptor, self._size):
            force, _, captured, _ = line.split("\t")
            keys[key_of(int(captured), line)] = None
            counts[force] += 1
            self._size += len(line.encode())
            if len(keys) >= _INDEX_AT_ONCE:
                self._take_over(keys, counts)
        self._take_over(keys, counts)
        os.ftruncate(self._descriptor, self._size)
        self.accepted = self._index.accepted()

    def _take_over(self, keys: dict[Key, None], counts: Counter[str]) -> None:
        if not self._index.add_all(list(keys)):
            for key in keys:
                self._index.add(key)
        self._index.keep(self._size, counts)
        keys.clear()
        counts.clear()

    async def contents(self) -> AsyncIterator[bytes]:
        """The durable part of the file, in pieces."""
        offset, end = 0, self._size
        while offset < end:
            piece = os.pread(self._descriptor, min(_CHUNK_BYTES, end - offset), offset)
            offset += len(piece)
            yield piece

    def _write(self, queued: list[_Waiting]) -> list[_Judged]:
        """Judge the queue, and make ledger and index durable. After an OSError both are as before."""
        with self.writing:
            return self._write_alone(queued)

    def _write_alone(self, queued: list[_Waiting]) -> list[_Judged]:
        try:
            judged = [self._judge(waiting) for waiting in queued]
            size = self._append(judged)
            fresh: Counter[str] = Counter()
            for one in judged:
                fresh[one.waiting.force] += len(one.fresh)
            self._index.keep(size, fresh)
        except (OSError, sqlite3.Error) as error:
            self._index.forget()
            os.ftruncate(self._descriptor, self._size)
            raise error if isinstance(error, OSError) else OSError(str(error)) from error
        self._size = size
        return judged

    def _judge(self, waiting: _Waiting) -> _Judged:
        if not waiting.refuse_every and self._index.add_all(waiting.keys):
            return _Judged(waiting, waiting.lines, ())
        return self._judge_each(waiting)

    def _judge_each(self, waiting: _Waiting) -> _Judged:
        fresh, refused = [], []
        for index, (key, line) in enumerate(zip(waiting.keys, waiting.lines, strict=True)):
            if not waiting.refuse_every or not _is_one_in(waiting.refuse_every, line):
                if self._index.add(key):
                    fresh.append(line)
            elif not self._index.has(key):
                refused.append(index)
        return _Judged(waiting, fresh, refused)

    def _append(self, judged: list[_Judged]) -> int:
        """The size of the file after it."""
        data = "".join(line for one in judged for line in one.fresh).encode()
        if data:
            _write_whole(self._descriptor, data)
            os.fsync(self._descriptor)
        return self._size + len(data)

    def _answer(self, judged: list[_Judged]) -> None:
        for one in judged:
            outcome, force = one.outcome(), one.waiting.force
            self.accepted[force] += outcome.accepted
            self.duplicate[force] += outcome.duplicate
            self.refused[force] += len(outcome.refused)
            if not one.waiting.done.done():
                one.waiting.done.set_result(outcome)

    def _fail(self, queued: list[_Waiting], error: OSError) -> None:
        for one in queued:
            if not one.done.done():
                one.done.set_exception(error)


@asynccontextmanager
async def open_ledger(folder: Path) -> AsyncIterator[Ledger]:
    """The ledger in `folder`, made if absent. Raises LedgerBusyError when another process has it."""
    descriptor = _open_locked(folder)
    try:
        with closing(Index(folder)) as index:
            ledger = Ledger(descriptor, index)
            await asyncio.to_thread(ledger.load)
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(ledger.write_forever(), name="ledger")
                yield ledger
                writer.cancel()
            with ledger.writing:  # a cancelled writer's thread goes on to the end of its turn
                pass
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


def _lines_in(descriptor: int, offset: int) -> Iterator[str]:
    """The whole lines from an offset on."""
    rest = b""
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
