"""Writes what a tar holds below a folder, and nowhere else.

tarfile's own filters do so since Python 3.11.4. Debian 12 has 3.11.2.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from suite.errors import SuiteError

_PIECE: Final = 1 << 20


def place_of(member: tarfile.TarInfo, folder: Path) -> Path:
    """Where a member goes. SuiteError when its name leads out of the folder."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise SuiteError(f"the backup holds {member.name!r}, which leads out of its folder")
    return folder / name


def make_folder(member: tarfile.TarInfo, folder: Path) -> None:
    """Make a folder of a tar, for its owner only. SuiteError as for `place_of`."""
    place_of(member, folder).mkdir(mode=0o700, parents=True, exist_ok=True)


def new_file(member: tarfile.TarInfo, folder: Path) -> BinaryIO:
    """A file of a tar to write to, for its owner only. SuiteError as for `place_of`."""
    place = place_of(member, folder)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def pieces_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """The content of a file of a tar."""
    source = tar.extractfile(member)
    assert source is not None, "a file has content"
    while piece := source.read(_PIECE):
        yield piece


def unpack_all(tar: tarfile.TarFile, folder: Path) -> None:
    """Write all files and folders of a tar; links and devices are left out. SuiteError as for `place_of`."""
    for member in tar:
        if member.isdir():
            make_folder(member, folder)
        elif member.isfile():
            with new_file(member, folder) as output:
                output.writelines(pieces_of(tar, member))
