"""Compresses and encrypts a stream for age recipients, and back, piece by piece."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import pyrage

from suite.errors import SuiteError

_GZIP: Final = 31
STORED: Final = 0
"""The level of compression for pictures, which are compressed already: it takes a twentieth of the time."""
USUAL: Final = 1
"""The level of compression for all else."""
_READ_BYTES: Final = 1 << 20


class Readable(Protocol):
    """What can be read piece by piece."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""


class Writable(Protocol):
    """What can be written piece by piece."""

    def write(self, data: bytes, /) -> object:
        """Write all of `data`."""


@dataclass(frozen=True)
class Sealed:
    """SHA-256 (hex) of the encrypted bytes, and how many they are."""

    digest: str
    size: int


class Packed:
    """Bytes that are compressed already, as `seal` writes them."""

    error: BaseException | None = None

    def __init__(self, packed: bytes) -> None:
        self._packed = io.BytesIO(packed)

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; none at the end."""
        return self._packed.read(size)


class Growing:
    """Compresses a stream that grows, each byte once. `packed` is the whole of it at a time."""

    def __init__(self) -> None:
        self._packer = _packer(USUAL)
        self._packed = bytearray()
        self.length = 0

    def add(self, data: bytes) -> None:
        """Append bytes that will not change."""
        self._packed += self._packer.compress(data)
        self.length += len(data)

    def packed(self, rest: bytes = b"") -> Packed:
        """All that was added, and a `rest` that may still change and is not kept."""
        packer = self._packer.copy()
        return Packed(bytes(self._packed) + packer.compress(rest) + packer.flush())


def seal(
    source: Readable | Packed,
    target: Writable,
    recipients: Sequence[pyrage.x25519.Recipient],
    *,
    level: int = USUAL,
) -> Sealed:
    """Write `source`, compressed and encrypted, to `target`. Raises what reading and writing raise.

    `level` is that of the compression, from `STORED` up.
    """
    reader = source if isinstance(source, Packed) else _Compressed(source, level)
    writer = _Counted(target)
    try:
        pyrage.encrypt_io(reader, writer, list(recipients))
    except pyrage.EncryptError as error:
        # The library keeps only the text of what our side raised.
        raise reader.error or writer.error or SuiteError(f"encryption failed: {error}") from error
    return Sealed(writer.digest.hexdigest(), writer.size)


def unseal(source: Readable, target: Writable, identities: Sequence[pyrage.x25519.Identity]) -> None:
    """Write the decrypted `source` to `target`. SuiteError when it is cut off, changed or for other keys.

    Pieces are written before the end is checked: on an error the target holds a part.
    """
    writer = _Expanding(target)
    try:
        pyrage.decrypt_io(source, writer, list(identities))
    except (pyrage.DecryptError, OSError) as error:
        if writer.error is not None:
            raise writer.error from error
        raise SuiteError(
            f"it cannot be decrypted ({error}): the identity is another, or the file is damaged"
        ) from error
    if not writer.complete:
        raise SuiteError("its content is cut off")


def _packer(level: int) -> zlib._Compress:
    return zlib.compressobj(level, zlib.DEFLATED, _GZIP)


class _Compressed:
    """Reads the compressed form of a source."""

    def __init__(self, source: Readable, level: int) -> None:
        self._source = source
        self._packer = _packer(level)
        self._ready = b""
        self._ended = False
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._ready and not self._ended:
                self._more()
        except BaseException as error:
            self.error = error
            raise
        size = len(self._ready) if size < 0 else size
        part, self._ready = self._ready[:size], self._ready[size:]
        return part

    def _more(self) -> None:
        piece = self._source.read(_READ_BYTES)
        if piece:
            self._ready = self._packer.compress(piece)
        else:
            self._ready, self._ended = self._packer.flush(), True


class _Counted:
    """Passes bytes on and computes their digest."""

    def __init__(self, target: Writable) -> None:
        self._target = target
        self.digest = hashlib.sha256()
        self.size = 0
        self.error: BaseException | None = None

    def write(self, data: bytes) -> int:
        try:
            self._target.write(data)
        except BaseException as error:
            self.error = error
            raise
        self.digest.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back here."""


class _Expanding:
    """Expands compressed bytes into a target."""

    def __init__(self, target: Writable) -> None:
        self._target = target
        self._unpacker = zlib.decompressobj(_GZIP)
        self.error: BaseException | None = None

    @property
    def complete(self) -> bool:
        """Whether the end of the content was seen."""
        return self._unpacker.eof

    def write(self, data: bytes) -> int:
        try:
            left = data
            while left:
                piece = self._unpacker.decompress(left, _READ_BYTES)
                if piece:
                    self._target.write(piece)
                left = self._unpacker.unconsumed_tail
        except zlib.error as error:
            self.error = SuiteError("its content is damaged")
            raise self.error from error
        except BaseException as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is held back here."""
