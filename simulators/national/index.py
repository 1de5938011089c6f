"""Which lines a ledger has, in an SQLite file beside it: memory stays small and a start is quick.

The file only repeats what the ledger says. A damaged one is made again from the ledger.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

FILE_NAME: Final = "accepted.index"
_FORMAT: Final = 1
_CACHE_KIBIBYTES: Final = 8_192
_WAL_PAGES: Final = 4_000
# Lines are ordered by capture time, so that those of now are all near the end of the file.
_SCHEMA: Final = """
create table seen (captured_us integer not null, line integer not null, primary key (captured_us, line))
    without rowid;
create table accepted (force text primary key, reads integer not null) without rowid;
create table ledger (bytes integer not null);
insert into ledger values (0);
"""

Key = tuple[int, int]
"""Capture time in microseconds and 64 bits of the line's digest."""


def key_of(captured_us: int, line: str) -> Key:
    """The key of a line. Two lines of one microsecond have the same one with a chance of one in 2^64."""
    digest = blake2b(line.encode(), digest_size=8).digest()
    return captured_us, int.from_bytes(digest, "big", signed=True)


class Index:
    """The keys of the lines in the first `bytes` of the ledger. Additions count once they are kept."""

    def __init__(self, folder: Path) -> None:
        """Open it, or make an empty one in place of a damaged one. Raises OSError when it cannot be made."""
        self._file = folder / FILE_NAME
        try:
            self._connection = _opened(self._file)
        except sqlite3.DatabaseError:
            self._connection = self._made_again()

    @property
    def bytes(self) -> int:
        """How much of the ledger it covers."""
        found: int = self._connection.execute("select bytes from ledger").fetchone()[0]
        return found

    def accepted(self) -> Counter[str]:
        """Lines of each force."""
        return Counter(dict(self._connection.execute("select force, reads from accepted")))

    def add_all(self, keys: Sequence[Key]) -> bool:
        """Add the keys if all of them are new, else none."""
        self._connection.execute("savepoint together")
        try:
            self._connection.executemany("insert into seen values (?, ?)", keys)
        except sqlite3.IntegrityError:
            self._connection.execute("rollback to together")
            return False
        else:
            return True
        finally:
            self._connection.execute("release together")

    def add(self, key: Key) -> bool:
        """Add a key; False when it was there."""
        return self._connection.execute("insert or ignore into seen values (?, ?)", key).rowcount == 1

    def has(self, key: Key) -> bool:
        """Whether a key is there."""
        query = "select 1 from seen where captured_us = ? and line = ?"
        return self._connection.execute(query, key).fetchone() is not None

    def keep(self, ledger_bytes: int, accepted: Mapping[str, int]) -> None:
        """Keep what was added: it covers the ledger up to here, with so many more lines of each force."""
        self._connection.execute("update ledger set bytes = ?", (ledger_bytes,))
        self._connection.executemany(
            "insert into accepted values (?, ?) on conflict do update set reads = reads + excluded.reads",
            accepted.items(),
        )
        self._connection.execute("commit")
        self._connection.execute("begin")

    def forget(self) -> None:
        """Forget what was added and not kept."""
        if self._connection.in_transaction:
            self._connection.execute("rollback")
        self._connection.execute("begin")

    def start_again(self) -> None:
        """Become empty."""
        self._connection.close()
        self._connection = self._made_again()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _made_again(self) -> sqlite3.Connection:
        for suffix in ("", "-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
        return _opened(self._file)


def _opened(file: Path) -> sqlite3.Connection:
    file.touch(mode=0o600)
    # One thread at a time uses it, but not always the same one.
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.execute(f"pragma cache_size = -{_CACHE_KIBIBYTES}")
        connection.execute(f"pragma wal_autocheckpoint = {_WAL_PAGES}")
        if connection.execute("pragma user_version").fetchone()[0] == 0:
            connection.executescript(f"begin; {_SCHEMA} pragma user_version = {_FORMAT}; commit;")
        connection.execute("select bytes from ledger").fetchone()
        connection.execute("begin")
    except BaseException:
        connection.close()
        raise
    return connection
