"""The files of a site that its database does not hold: certificates, identities, ports."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Final

from suite.backup.members import unpack_all
from suite.errors import SuiteError

_KEPT: Final = ("pki", "identities", "suite.json")


def packed_site(home: Path) -> io.BytesIO:
    """A tar of the files that a restored site needs.

    The passwords of the database's roles are not among them: a restored suite makes new ones.
    """
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name in _KEPT:
            if (home / name).exists():
                tar.add(home / name, name)
    target.seek(0)
    return target


def unpack_site(content: io.BytesIO, home: Path) -> None:
    """Write the files of a tar into a new suite's folder, for its owner only."""
    content.seek(0)
    with tarfile.open(fileobj=content, mode="r") as tar:
        names = {member.name.split("/")[0] for member in tar.getmembers()}
        if foreign := names - set(_KEPT):
            raise SuiteError(f"the backup holds foreign files: {', '.join(sorted(foreign))}")
        unpack_all(tar, home.absolute())
