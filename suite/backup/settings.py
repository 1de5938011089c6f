"""Where backups go, who can open them, and how long they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyrage

from suite.errors import SuiteError

ARCHIVE: Final = "GANTRY_BACKUP_ARCHIVE"
RECIPIENTS: Final = "GANTRY_BACKUP_RECIPIENTS"
KEEP_DAYS: Final = "GANTRY_BACKUP_KEEP_DAYS"
HOURS: Final = "GANTRY_BACKUP_HOURS"
_RETENTION: Final = "GANTRY_STORE__RETENTION_DAYS"
_RETENTION_DAYS: Final = 7
_USUAL_HOURS: Final = 24
_KEY_MANAGERS: Final = ("arn:", "kms:", "awskms:", "gcpkms:", "azurekms:", "hashivault:", "projects/")


@dataclass(frozen=True)
class BackupSettings:
    """The archive folder, the age recipients, days that a backup is kept, hours between base copies."""

    archive: Path
    recipients: tuple[str, ...]
    keep_days: int = _RETENTION_DAYS
    hours: float = _USUAL_HOURS

    def keys(self) -> list[pyrage.x25519.Recipient]:
        """The recipients as keys. SuiteError for one that cannot be used."""
        return [recipient(text) for text in self.recipients]

    def environment(self) -> dict[str, str]:
        """The variables that say the same."""
        return {
            ARCHIVE: str(self.archive),
            RECIPIENTS: ",".join(self.recipients),
            KEEP_DAYS: str(self.keep_days),
            HOURS: f"{self.hours:g}",
        }


def settings_from(environ: Mapping[str, str]) -> BackupSettings | None:
    """The settings in an environment; None when it names no archive. SuiteError for unusable ones."""
    archive = environ.get(ARCHIVE)
    if not archive:
        return None
    recipients = tuple(filter(None, (part.strip() for part in environ.get(RECIPIENTS, "").split(","))))
    if not recipients:
        raise SuiteError(
            f"{RECIPIENTS} is not set: backups hold personal data and are always encrypted. "
            "Make a key with `gantry backup key FILE`, and set the recipient that it prints"
        )
    settings = BackupSettings(
        Path(archive).absolute(),
        recipients,
        _whole(environ, KEEP_DAYS, min(_RETENTION_DAYS, _retention(environ))),
        _hours(environ),
    )
    settings.keys()
    if settings.keep_days > _retention(environ):
        raise SuiteError(
            f"{KEEP_DAYS} is {settings.keep_days}, and reads are kept for {_retention(environ)} days: "
            "a backup must not outlive the data in it"
        )
    return settings


def recipient(text: str) -> pyrage.x25519.Recipient:
    """A recipient such as ``age1..``. SuiteError for anything else, key managers included."""
    if text.lower().startswith(_KEY_MANAGERS):
        raise SuiteError(
            f"{RECIPIENTS} names a key of a key management service, which is not supported: give an age "
            "recipient (age1..), and keep its identity file in the secret store of that service"
        )
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise SuiteError(f"{RECIPIENTS} holds {text!r}, which is no age recipient (age1..)") from error


def identity_in(file: Path) -> list[pyrage.x25519.Identity]:
    """The identities of an age identity file. SuiteError when there is none that can be read."""
    try:
        lines = [line.strip() for line in file.read_text().splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError) as error:
        raise SuiteError(f"{file} cannot be read as an age identity file") from error
    if not found:
        raise SuiteError(f"{file} holds no age identity (AGE-SECRET-KEY-1..)")
    return found


def _retention(environ: Mapping[str, str]) -> int:
    return _whole(environ, _RETENTION, _RETENTION_DAYS)


def _whole(environ: Mapping[str, str], name: str, usual: int) -> int:
    text = environ.get(name) or str(usual)
    if not text.isdecimal() or int(text) < 1:
        raise SuiteError(f"{name} is {text!r}: give a whole number of days, at least 1")
    return int(text)


def _hours(environ: Mapping[str, str]) -> float:
    text = environ.get(HOURS) or str(_USUAL_HOURS)
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= 24 * _RETENTION_DAYS:
        raise SuiteError(f"{HOURS} is {text!r}: give the hours between two base copies, such as 24")
    return hours
