"""A file of reads on disk, which is read twice: once to look through it, once to send it."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final, Self

from cli.exits import CliError, Exit
from tables.faults import CutError, TableError
from tables.json_lines import JsonLines
from tables.layouts import READS
from tables.lines import SNIFF_BYTES
from tables.opening import is_json
from tables.table import Row, Table

LONGEST_LINE: Final = 64 * 1024
_CHUNK_BYTES: Final = 64 * 1024


class ReadFile:
    """A file with rows of reads. `bytes_read` counts towards `size`, both as they are on disk."""

    def __init__(self, path: Path, chosen: Mapping[str, str], fixed_force: str | None) -> None:
        """Look at the file's first bytes. CliError when it is no readable file of text.

        `chosen` maps our columns to the file's. `fixed_force` is the force of all reads.
        """
        self.path = path
        self.cut = ""
        self._chosen = {
            ours: theirs for ours, theirs in chosen.items() if ours != "force" or fixed_force is None
        }
        self._fixed_force = fixed_force
        self._raw = _open(path)
        try:
            self.size = os.fstat(self._raw.fileno()).st_size
            self._json = is_json(self._raw.read(SNIFF_BYTES), longest=LONGEST_LINE)
        except TableError as fault:
            self._raw.close()
            raise CliError(f"{path}: {fault.message}", Exit.USAGE) from None
        self.table: Table | JsonLines = self._table()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    @property
    def kind(self) -> str:
        """The form of the file."""
        return "json" if self._json else "csv"

    @property
    def bytes_read(self) -> int:
        """How far we are in the file on disk."""
        return self._raw.tell()

    def rows(self) -> Iterator[Row]:
        """Every row from the beginning, in the order of `READS`. CliError when the file is unusable.

        When compressed data break off, the rows before are given, and `cut` says where.
        """
        self._raw.seek(0)
        self.table, self.cut = self._table(), ""
        try:
            while chunk := self._raw.read(_CHUNK_BYTES):
                yield from self._given(self.table.feed(chunk))
            yield from self._given(self.table.finish())
        except CutError as cut:
            self.cut = cut.message
        except TableError as fault:
            raise CliError(f"{self.path}: {fault.message}", Exit.USAGE) from None

    def theirs(self, ours: str) -> str:
        """The file's own name of one of our columns; empty when it has none."""
        return self.table.found.theirs(ours)

    def is_joined(self, ours: str) -> bool:
        """Whether one of our columns is made of several. The file has to be read before."""
        return len(self.table.found.places.get(ours, ())) > 1

    def _given(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows with the force that was given for all of them."""
        if self._fixed_force is None:
            yield from rows
            return
        for number, text, values in rows:
            yield number, text, values if isinstance(values, Exception) else [self._fixed_force, *values]

    def _table(self) -> Table | JsonLines:
        wanted = READS
        if self._fixed_force is not None:
            wanted = replace(READS, required=READS.required[1:], instead={})
        kind = JsonLines if self._json else Table
        return kind(wanted, self._chosen, longest=LONGEST_LINE)


def _open(path: Path) -> BinaryIO:
    # Opening a pipe would wait for its writer.
    if path.is_fifo():
        raise CliError(f"{path} is a pipe; replay needs a file, since it reads it twice", Exit.USAGE)
    try:
        file = path.open("rb", buffering=1 << 18)
    except OSError as error:
        raise CliError(f"cannot read {path}: {(error.strerror or '').lower()}", Exit.USAGE) from None
    if not file.seekable():
        file.close()
        raise CliError(f"{path} is a pipe; replay needs a file, since it reads it twice", Exit.USAGE)
    return file
