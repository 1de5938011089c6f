"""The certificates that the bridge shows to destinations: its own, or one from the identities folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chassis.settings import TlsSettings

_PARTS: Final = ("certificate", "key", "authority")
_CERTIFICATE: Final = ".certificate.pem"


class IdentityUnusableError(Exception):
    """There is no such identity, or a file of it is missing; one sentence that says how to correct it."""


@dataclass(frozen=True)
class Identities:
    """`folder` holds <identity>/{certificate,key,authority}.pem; `own` is the bridge's own certificate.

    Or <identity>.certificate.pem and so on: a Secret of Kubernetes has no folders, and one whose names the
    manifest does not list can get a new identity without a change of the manifest.
    """

    own: TlsSettings
    folder: Path | None = None

    def tls_of(self, identity: str) -> TlsSettings:
        """The files of an identity; empty: the bridge's own. Raises IdentityUnusableError."""
        if not identity:
            return self.own
        if self.folder is None:
            raise IdentityUnusableError("should be empty: the bridge has no GANTRY_BRIDGE__IDENTITIES folder")
        # Compared with the names in the folder: a name that leads out of it is not among them.
        known = self._known()
        if identity not in known:
            names = ", ".join(sorted(known)) or "none"
            raise IdentityUnusableError(f"should be an identity in GANTRY_BRIDGE__IDENTITIES; known: {names}")
        files = {part: Path(f"{known[identity]}{part}.pem") for part in _PARTS}
        for file in files.values():
            if not file.is_file():
                raise IdentityUnusableError(f"names an identity without {file.name}")
        return TlsSettings(**files)

    def _known(self) -> dict[str, str]:
        """What comes before the part in the names of each identity's files."""
        entries = self._entries()
        flat = {
            entry.name.removesuffix(_CERTIFICATE): f"{entry}".removesuffix("certificate.pem")
            for entry in entries
            if entry.name.endswith(_CERTIFICATE) and entry.is_file()
        }
        return flat | {entry.name: f"{entry}/" for entry in entries if entry.is_dir()}

    def _entries(self) -> list[Path]:
        assert self.folder is not None, "asked only when there is a folder"
        try:
            return [entry for entry in self.folder.iterdir() if not entry.name.startswith(".")]
        except OSError:
            return []
