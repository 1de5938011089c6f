"""Streams are compressed and encrypted piece by piece, and what is not whole is refused."""

import io
import os
import tracemalloc
import zlib

import pyrage
import pytest

from suite.backup.sealing import STORED, USUAL, Growing, seal, unseal
from suite.errors import SuiteError

MIB = 1 << 20


@pytest.fixture(scope="module")
def identity() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


class Generated:
    """A source of so many bytes, which are never all in memory."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        piece = os.urandom(min(size if size > 0 else MIB, self.left))
        self.left -= len(piece)
        return piece


class Counting:
    """A target that keeps nothing."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> int:
        self.size += len(data)
        return len(data)


def sealed(content: bytes, identity: pyrage.x25519.Identity) -> bytes:
    target = io.BytesIO()
    seal(io.BytesIO(content), target, [identity.to_public()])
    return target.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"zeros" + bytes(5 * MIB), os.urandom(3 * MIB + 1)],
    ids=["nothing", "one byte", "zeros", "chance"],
)
def test_what_was_sealed_comes_back(content: bytes, identity: pyrage.x25519.Identity) -> None:
    target = io.BytesIO()
    unseal(io.BytesIO(sealed(content, identity)), target, [identity])
    assert target.getvalue() == content


def test_a_growing_stream_is_whole_each_time(identity: pyrage.x25519.Identity) -> None:
    growing, kept = Growing(), b""
    for size in (0, 1, 3 * MIB, 8_192):
        more, rest = os.urandom(size), os.urandom(100)
        growing.add(more)
        kept += more
        target, opened = io.BytesIO(), io.BytesIO()
        seal(growing.packed(rest), target, [identity.to_public()])
        target.seek(0)
        unseal(target, opened, [identity])
        assert opened.getvalue() == kept + rest
        assert growing.length == len(kept)


@pytest.mark.parametrize("level", [STORED, USUAL])
def test_every_level_is_opened_alike(level: int, identity: pyrage.x25519.Identity) -> None:
    target, opened = io.BytesIO(), io.BytesIO()
    told = seal(io.BytesIO(bytes(MIB)), target, [identity.to_public()], level=level)
    assert (told.size > MIB) == (level == STORED)
    target.seek(0)
    unseal(target, opened, [identity])
    assert opened.getvalue() == bytes(MIB)


def test_a_large_stream_takes_little_memory(identity: pyrage.x25519.Identity) -> None:
    tracemalloc.start()
    try:
        target = Counting()
        told = seal(Generated(64 * MIB), target, [identity.to_public()])
        assert target.size == told.size > 64 * MIB
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


def test_zeros_expand_in_pieces(identity: pyrage.x25519.Identity) -> None:
    class Pieces(Counting):
        largest = 0

        def write(self, data: bytes) -> int:
            self.largest = max(self.largest, len(data))
            return super().write(data)

    target = Pieces()
    unseal(io.BytesIO(sealed(bytes(64 * MIB), identity)), target, [identity])
    assert (target.size, target.largest) == (64 * MIB, MIB)


def test_cut_changed_and_foreign_content_is_refused(identity: pyrage.x25519.Identity) -> None:
    good = sealed(os.urandom(MIB), identity)
    changed = bytearray(good)
    changed[len(good) // 2] ^= 1
    for bad in (good[:-1], good[: len(good) // 2], bytes(changed), b"no age file"):
        with pytest.raises(SuiteError):
            unseal(io.BytesIO(bad), Counting(), [identity])
    with pytest.raises(SuiteError, match="identity"):
        unseal(io.BytesIO(good), Counting(), [pyrage.x25519.Identity.generate()])


def test_content_that_ends_too_early_inside_is_refused(identity: pyrage.x25519.Identity) -> None:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    inner = packer.compress(b"x" * MIB)  # without its end
    outer = io.BytesIO()
    pyrage.encrypt_io(io.BytesIO(inner), outer, [identity.to_public()])
    with pytest.raises(SuiteError, match="cut off"):
        unseal(io.BytesIO(outer.getvalue()), Counting(), [identity])


def test_errors_of_both_sides_keep_their_kind(identity: pyrage.x25519.Identity) -> None:
    class Full(Counting):
        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

    class Broken(Generated):
        def read(self, size: int = -1) -> bytes:
            raise SuiteError("pg_basebackup ended")

    with pytest.raises(OSError, match="No space"):
        seal(Generated(MIB), Full(), [identity.to_public()])
    with pytest.raises(SuiteError, match="pg_basebackup ended"):
        seal(Broken(MIB), Counting(), [identity.to_public()])
    with pytest.raises(OSError, match="No space"):
        unseal(io.BytesIO(sealed(b"x" * MIB, identity)), Full(), [identity])
