"""Reads a base copy piece by piece: unpacks it, and checks it against PostgreSQL's backup manifest.

It does what pg_verifybackup does. That program of the wheel is damaged and does not run, and it would need
room for the whole copy.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyrage

from suite.backup.archive import SealedFile
from suite.backup.lsn import Segment, number_at, position
from suite.backup.members import make_folder, new_file, pieces_of
from suite.errors import SuiteError

_MANIFEST: Final = "backup_manifest"
_NOT_LISTED: Final = frozenset({_MANIFEST, "postgresql.auto.conf", "recovery.signal", "standby.signal"})
_LOG: Final = "pg_wal/"
_PIECE: Final = 1 << 20

Ranges = list[tuple[int, int, int]]
"""Timeline, begin and end of each part of the log that a copy needs."""


def unpack(file: SealedFile, folder: Path | None, identities: Sequence[pyrage.x25519.Identity]) -> Ranges:
    """Decrypt and check a copy, and with a `folder` unpack it there. SuiteError when it is not whole."""
    found: dict[str, tuple[int, str]] = {}
    manifest = b""
    with decrypted(file, identities) as stream, _damage_told(file):
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_PIECE) as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                if name == _MANIFEST:
                    source = tar.extractfile(member)
                    manifest = b"" if source is None else source.read()
                elif member.isfile():
                    found[name] = _file(tar, member, folder)
                elif folder is not None and member.isdir():
                    make_folder(member, folder)
        while stream.read(_PIECE):
            pass  # what follows the end of the tar, so that the whole file is judged
    ranges = _judged(found, manifest)
    if folder is not None:
        (folder / _MANIFEST).write_bytes(manifest)
    return ranges


def check_log(binaries: Path, data: Path, ranges: Ranges) -> None:
    """Have pg_waldump read the log in an unpacked copy. SuiteError when it is damaged."""
    for timeline, begin, end in ranges:
        words = ["--quiet", f"--path={data / 'pg_wal'}", f"--timeline={timeline}"]
        words += [
            f"--start={begin >> 32:X}/{begin & 0xFFFFFFFF:X}",
            f"--end={end >> 32:X}/{end & 0xFFFFFFFF:X}",
        ]
        done = subprocess.run(  # noqa: S603 - the program is PostgreSQL's own
            [str(binaries / "pg_waldump"), *words], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SuiteError(f"the log in the base copy is damaged: {done.stderr.strip()}")


@contextmanager
def decrypted(file: SealedFile, identities: Sequence[pyrage.x25519.Identity]) -> Iterator[BinaryIO]:
    """The content of a file as a stream. SuiteError when the block ends and it was not whole."""
    reading, writing = os.pipe()
    failed: list[BaseException] = []

    def decrypt() -> None:
        try:
            with os.fdopen(writing, "wb") as target:
                file.open_into(target, identities)
        except BrokenPipeError:
            pass  # the reader has given up
        except BaseException as error:  # noqa: BLE001 - it is raised by the reader
            failed.append(error)

    thread = threading.Thread(target=decrypt, name=f"decrypt {file.stem}")
    thread.start()
    try:
        with os.fdopen(reading, "rb", buffering=_PIECE) as stream:
            yield stream
    except BaseException as error:
        thread.join()
        if failed:
            raise failed[0] from error  # the cause of what the reader met
        raise
    thread.join()
    if failed:
        raise failed[0]


def _file(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path | None) -> tuple[int, str]:
    """Size and digest of a file, which is written on the way when there is a folder."""
    digest, size = hashlib.sha256(), 0
    with Path(os.devnull).open("wb") if folder is None else new_file(member, folder) as output:
        for piece in pieces_of(tar, member):
            digest.update(piece)
            size += len(piece)
            output.write(piece)
    return size, digest.hexdigest()


def _judged(found: dict[str, tuple[int, str]], text: bytes) -> Ranges:
    manifest = _manifest(text)
    listed = {entry["Path"]: entry for entry in manifest["Files"]}
    for name, entry in listed.items():
        if name not in found:
            raise SuiteError(f"the base copy lacks {name}")
        if found[name] != (entry["Size"], entry["Checksum"]):
            raise SuiteError(f"the base copy has another {name} than its manifest says")
    extra = [name for name in found if name not in listed and name not in _NOT_LISTED]
    if foreign := [name for name in extra if not name.startswith(_LOG)]:
        raise SuiteError(f"the base copy holds {foreign[0]}, which its manifest does not name")
    ranges = [
        (each["Timeline"], position(each["Start-LSN"]), position(each["End-LSN"]))
        for each in manifest["WAL-Ranges"]
    ]
    for timeline, begin, end in ranges:
        for number in range(number_at(begin), number_at(end - 1) + 1):
            if f"{_LOG}{Segment(timeline, number).name}" not in found:
                raise SuiteError(f"the base copy lacks the log {Segment(timeline, number).name}")
    return ranges


def _manifest(text: bytes) -> dict[str, Any]:
    """The manifest, whose last line holds the digest of everything before it."""
    body = text[: max(0, text.rfind(b'"Manifest-Checksum"'))]
    try:
        manifest: dict[str, Any] = json.loads(text)
        whole = manifest["Manifest-Checksum"] == hashlib.sha256(body).hexdigest()
        kinds = {entry["Checksum-Algorithm"] for entry in manifest["Files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise SuiteError("the manifest of the base copy is missing or damaged") from error
    if not whole or kinds != {"SHA256"}:
        raise SuiteError("the manifest of the base copy is damaged")
    return manifest


@contextmanager
def _damage_told(file: SealedFile) -> Iterator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise SuiteError(f"{file.path}: its content is no whole copy") from error
