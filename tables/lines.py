"""Bytes in any chunks become numbered lines of text. A line that cannot be read does not affect the next.

Unpacked: gzip. Decoded: UTF-8, UTF-16 (with a byte-order mark, or told by its NULs), and line by line
Windows-1252 where a line is not UTF-8. Ends of lines: LF, CRLF, or CR alone when the first line ends so.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from tables.faults import CutError, RowError, TableError
from tables.kinds import foreign_kind

Line = tuple[int, str | RowError]
"""Number of the line from 1, and its text without its end, or why it cannot be read."""
LineBlock = tuple[int, "Sequence[str | RowError]"]
"""Lines one after the other: the number of the first, and what each is."""

SNIFF_BYTES: Final = 64 * 1024
_PIECE_BYTES: Final = 64 * 1024
_GZIP: Final = b"\x1f\x8b"
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_MARKED: Final = ((b"\xff\xfe\x00\x00", "utf-32-le"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_ODD_BY_ACCIDENT: Final = 8
_LINE_END: Final = re.compile(rb"\r*\n|\r")
_NUL: Final = "it holds NUL characters: the file is damaged there, or is no text"


class Lines:
    """Takes the bytes of one file in order. Keeps at most one unfinished line of them, after a first look."""

    def __init__(self, longest: int) -> None:
        """`longest` is the most characters of a line."""
        self.longest = longest
        self.compressed = False
        self.encoding = ""
        self.ends_without_line_end = False
        self._number = 0
        self._start: bytearray | None = bytearray()
        self._unpack: zlib._Decompress | None = None
        self._decode: codecs.IncrementalDecoder | None = None
        self._end = b"\n"
        self._looked: bytearray | None = bytearray()
        self._rest = b""
        self._overlong = False
        self._seen = False

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that `chunk` completes. Raises TableError when it is no text, CutError for broken gzip.

        The iterator must be read to its end before the next chunk is given.
        """
        return _single(self.feed_blocks(chunk))

    def finish(self) -> Iterator[Line]:
        """The lines that are left at the end of the file. Raises like `feed`."""
        return _single(self.finish_blocks())

    def feed_blocks(self, chunk: bytes) -> Iterator[LineBlock]:
        """The same lines as `feed`, many at once."""
        if self._start is not None:
            self._start += chunk
            if len(self._start) < 2:
                return
            chunk, self._start = bytes(self._start), None
            if chunk.startswith(_GZIP):
                self.compressed, self._unpack = True, zlib.decompressobj(31)
        if self._unpack is None:
            yield from self._text(chunk)
        else:
            yield from self._unpacked(chunk)

    def finish_blocks(self) -> Iterator[LineBlock]:
        """The same lines as `finish`, many at once."""
        if self._start:
            chunk, self._start = bytes(self._start), None
            yield from self._text(chunk)
        if self._looked is not None:
            yield from self._begin()
        if self._unpack is not None and not self._unpack.eof:
            raise self._cut()
        if self._decode is not None:
            yield from self._split(self._decode.decode(b"", final=True).encode(errors="replace"))
        if self._rest or self._overlong:
            self.ends_without_line_end = True
            yield from self._block(self._rest)
            self._rest = b""

    @property
    def empty(self) -> bool:
        """Whether no line so far has anything but blanks."""
        return not self._seen

    def _unpacked(self, chunk: bytes) -> Iterator[LineBlock]:
        while chunk:
            assert self._unpack is not None, "the file is compressed"
            if self._unpack.eof:
                # Padding after the last member is allowed; anything else is one more member.
                if not chunk.strip(b"\0"):
                    return
                self._unpack = zlib.decompressobj(31)
            try:
                piece = self._unpack.decompress(chunk, _PIECE_BYTES)
            except zlib.error:
                # The lines before are good, even when there are too few of them to be looked at so far.
                if self._looked is not None:
                    yield from self._begin()
                raise self._cut() from None
            chunk = self._unpack.unconsumed_tail or self._unpack.unused_data
            yield from self._text(piece)

    def _cut(self) -> CutError:
        return CutError(f"the compressed data end or break after line {self._number:,}: fetch the file again")

    def _text(self, chunk: bytes) -> Iterator[LineBlock]:
        if self._looked is not None:
            self._looked += chunk
            if len(self._looked) >= SNIFF_BYTES:
                yield from self._begin()
        elif self._decode is not None:
            yield from self._split(self._decode.decode(chunk).encode(errors="replace"))
        else:
            yield from self._split(chunk)

    def _begin(self) -> Iterator[LineBlock]:
        """Look at the beginning of the file, now that there is enough of it."""
        assert self._looked is not None, "the file is looked at once"
        start, self._looked = bytes(self._looked), None
        if kind := foreign_kind(start):
            raise TableError(kind)
        encoding, mark = _encoding(start)
        self.encoding, start = encoding, start[mark:]
        if encoding != "utf-8":
            self._decode = codecs.getincrementaldecoder(encoding)("replace")
            start = self._decode.decode(start).encode(errors="replace")
        elif _is_binary(start):
            raise TableError("it is no text, but some binary format: give a CSV file (UTF-8)")
        # The end of the first line tells: a text over several lines may hold the other kind further on.
        first_end = _LINE_END.search(start)
        if first_end is not None and first_end[0] == b"\r":
            self._end = b"\r"
        yield from self._split(start)

    def _split(self, chunk: bytes) -> Iterator[LineBlock]:
        head, end, rest = chunk.rpartition(self._end)
        if end:
            whole, self._rest = self._rest + head, b""
            yield from self._block(whole)
        # A line without an end must not fill the memory: its beginning is enough to refuse it.
        rest = self._rest + rest
        most = self.longest * 4
        self._overlong = self._overlong or len(rest) > most
        self._rest = rest[:most]

    def _block(self, block: bytes) -> Iterator[LineBlock]:
        """Lines that are whole."""
        try:
            text = block.decode()
        except UnicodeDecodeError:
            texts = [*map(self._decoded, block.split(self._end))]
        else:
            texts = self._lines_of(text)
        self._seen = self._seen or bool(block.strip())
        if self._overlong:
            self._overlong, texts[0] = False, self._too_long()
        first, self._number = self._number + 1, self._number + len(texts)
        if len(block) > self.longest or b"\0" in block:
            texts = [self._checked(each) for each in texts]
        yield first, texts

    def _lines_of(self, text: str) -> list[str | RowError]:
        if self._end == b"\r":
            return [*text.split("\r")]
        if "\r" in text:
            return [each.rstrip("\r") for each in text.split("\n")]
        return [*text.split("\n")]

    def _checked(self, text: str | RowError) -> str | RowError:
        if isinstance(text, RowError):
            return text
        if len(text) > self.longest:
            return self._too_long()
        return RowError(_NUL) if "\0" in text else text

    def _decoded(self, line: bytes) -> str | RowError:
        line = line.rstrip(b"\r")
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            place = error.start + 1
        try:
            text = line.decode("cp1252")
        except UnicodeDecodeError:
            return RowError(f"byte {place} of the line is neither UTF-8 nor Windows-1252")
        return _FromWindows(text)

    def _too_long(self) -> RowError:
        return RowError(f"the line is longer than {self.longest:,} characters; leave out columns of pictures")


def _single(blocks: Iterator[LineBlock]) -> Iterator[Line]:
    for first, texts in blocks:
        yield from enumerate(texts, first)


class _FromWindows(str):
    """A line that is not UTF-8 and was read as Windows-1252."""

    __slots__ = ()


def is_windows(text: str) -> bool:
    """Whether a line that `Lines` gave was read as Windows-1252."""
    return type(text) is _FromWindows


def _encoding(start: bytes) -> tuple[str, int]:
    """(name of the encoding, length of the byte-order mark)."""
    if start.startswith(_UTF8_MARK):
        return "utf-8", len(_UTF8_MARK)
    for mark, name in _MARKED:
        if start.startswith(mark):
            return name, len(mark)
    # UTF-16 without a mark: text in Latin letters has a NUL in every pair of bytes, always on the same side.
    sample = start[:512]
    low, high = sample[::2], sample[1::2]
    if len(sample) >= 8 and b"\0" not in low and high.count(b"\0") * 10 >= len(high) * 9:
        return "utf-16-le", 0
    if len(sample) >= 8 and b"\0" not in high and low.count(b"\0") * 10 >= len(low) * 9:
        return "utf-16-be", 0
    return "utf-8", 0


def _is_binary(start: bytes) -> bool:
    """Whether a tenth of the beginning are control characters that no text has."""
    # A machine that stopped while it wrote leaves a tail of NULs.
    sample = start[:4096].rstrip(b"\0")
    odd = sum(sample.count(bytes((code,))) for code in range(32) if code not in b"\t\n\v\f\r\x1a\x1b")
    return odd > _ODD_BY_ACCIDENT and odd * 10 > len(sample)
