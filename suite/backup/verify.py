"""Checks an archive: digests of files, the chain of WAL, pictures, and with an identity each base copy."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pyrage

from suite.backup.archive import Archive, SealedFile, sealed_in
from suite.backup.base import DATA, OBJECTS, Base, bases, file_of
from suite.backup.copy import unpack
from suite.backup.images import archived_images
from suite.backup.lsn import number_at
from suite.backup.reach import chains
from suite.backup.wal import archived
from suite.errors import SuiteError

_TOLD: Final = 20


@dataclass
class Findings:
    """What was checked, and what is wrong, in sentences."""

    bases: int = 0
    segments: int = 0
    objects: int = 0
    opened: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong


Identities = Sequence[pyrage.x25519.Identity] | None
"""Without identities nothing is decrypted."""


def verify(
    archive: Archive,
    keep_days: int,
    identities: Identities = None,
    say: Callable[[str], None] = lambda _: None,
) -> Findings:
    """Check everything. With identities also the content of each base copy, piece by piece."""
    archive.require()
    found = Findings()
    with archive.told():
        for base in bases(archive):
            say(f"checking the base copy {base.name}")
            _check_base(archive, base, found, identities)
        _check_chains(archive, found, identities)
        _check_files(found, sealed_in(archive.wal), "WAL")
        found.segments = len(archived(archive).segments)
        _check_images(archive, found, keep_days, identities)
    return found


def _check_base(archive: Archive, base: Base, found: Findings, identities: Identities) -> None:
    found.bases += 1
    files = sealed_in(archive.bases / base.name)
    missing = {DATA, OBJECTS, "site"} - {file.stem for file in files}
    if missing:
        found.wrong.append(f"the base copy {base.name} lacks {', '.join(sorted(missing))}")
    before = len(found.wrong)
    _check_files(found, files, f"the base copy {base.name}")
    if identities is None or missing or len(found.wrong) > before:
        return
    try:
        unpack(file_of(archive, base, DATA), None, identities)
        found.opened += 1
    except SuiteError as error:
        found.wrong.append(f"the base copy {base.name}: {error}")


def _check_files(found: Findings, files: Sequence[SealedFile], what: str) -> None:
    found.wrong += [f"{what}: {file.path} is damaged" for file in files if not file.intact()]


def _check_chains(archive: Archive, found: Findings, identities: Identities) -> None:
    for chain in chains(archive, identities):
        if chain.gap is not None:
            found.wrong.append(
                f"WAL after the base copy {chain.base.name} is not continuous: {chain.gap.name} is missing"
            )
        elif 0 <= chain.last < number_at(chain.base.end):
            found.wrong.append(f"the archived WAL ends before the end of the base copy {chain.base.name}")


def _check_images(archive: Archive, found: Findings, keep_days: int, identities: Identities) -> None:
    """Digests of all, and with an identity whether those that the newest copy names are there."""
    there: set[str] = set()
    for force, day, file in archived_images(archive):
        found.objects += 1
        there.add(f"{force}/{day.isoformat()}/{file.stem} {file.digest}")
        if not file.intact():
            found.wrong.append(f"pictures: {file.path} is damaged")
    newest = bases(archive)[-1:]
    if identities is None or not newest:
        return
    listed = io.BytesIO()
    file_of(archive, newest[0], OBJECTS).open_into(listed, identities)
    if hashlib.sha256(listed.getvalue()).hexdigest() != newest[0].objects_digest:
        found.wrong.append(f"the list of pictures of {newest[0].name} is not the one of its manifest")
    due = datetime.now(UTC).date() - timedelta(days=keep_days)
    lost = [name for name in _listed(listed) if name not in there and _day(name) >= due]
    found.wrong += [f"pictures: {name.split()[0]} is missing" for name in lost[:_TOLD]]
    if len(lost) > _TOLD:
        found.wrong.append(f"pictures: {len(lost):,} objects are missing in all")


def _listed(content: io.BytesIO) -> list[str]:
    return content.getvalue().decode().splitlines()


def _day(name: str) -> date:
    return date.fromisoformat(name.split("/")[1])
