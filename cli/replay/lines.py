"""The lines of a file, gzip or not, one at a time. A broken line does not affect the next."""

import gzip
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self

from cli.exits import CliError, Exit

LONGEST_LINE: Final = 64 * 1024
_SNIFF_BYTES: Final = 64 * 1024
_GZIP: Final = b"\x1f\x8b"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Problem:
    """Why a line was left out. It never contains the plate."""

    line: int
    column: str
    message: str


class FileCutError(Exception):
    """The file ends in the middle of its compressed data; the lines before are good."""


class LineFile:
    """A file of lines. `bytes_read` counts towards `size`, both as they are on disk."""

    def __init__(self, path: Path) -> None:
        """Look at the file's first bytes. CliError when it is no readable file of text."""
        self.path = path
        self._raw = _open(path)
        try:
            self._look()
        except CliError:
            self._raw.close()
            raise

    def _look(self) -> None:
        self.size = os.fstat(self._raw.fileno()).st_size
        start = self._raw.read(2)
        self._raw.seek(0)
        self.compressed = start == _GZIP
        self._file: BinaryIO = gzip.GzipFile(fileobj=self._raw) if self.compressed else self._raw  # type: ignore[assignment]
        self.beginning = self._sniff()

    @property
    def bytes_read(self) -> int:
        """How far we are in the file on disk."""
        return self._raw.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._raw.close()

    def numbered(self) -> Iterator[tuple[int, bytes]]:
        """Every line that is not blank with its number from 1, without its end.

        A line over LONGEST_LINE comes cut by a byte above that. FileCutError when compressed data break off.
        """
        self._file.seek(0)
        number, read = 0, self._file.readline
        try:
            while line := read(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
                    self._skip_rest_of_line()
                elif number == 1:
                    line = line.removeprefix(_UTF8_MARK)
                if line := line.rstrip(b"\r\n"):
                    yield number, line
        except (EOFError, OSError, zlib.error) as error:
            raise FileCutError(f"the compressed data end or break after line {number:,}") from error

    def _skip_rest_of_line(self) -> None:
        while (rest := self._file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
            pass

    def _sniff(self) -> bytes:
        try:
            start = self._file.read(_SNIFF_BYTES)
        except (EOFError, OSError, zlib.error):
            start = b""
        if start[:2] in _UTF16:
            raise CliError(f"{self.path} is UTF-16 text: save it as UTF-8 and try again", Exit.USAGE)
        start = start.removeprefix(_UTF8_MARK).lstrip()
        if not start:
            what = "holds no readable gzip data" if self.compressed else "is empty"
            raise CliError(f"{self.path} {what}", Exit.USAGE)
        return start


def _open(path: Path) -> BinaryIO:
    try:
        file = path.open("rb", buffering=1 << 18)
    except OSError as error:
        raise CliError(f"cannot read {path}: {(error.strerror or '').lower()}", Exit.USAGE) from None
    if not file.seekable():
        file.close()
        raise CliError(f"{path} is a pipe; replay needs a file, since it reads it twice", Exit.USAGE)
    return file
