"""The certificates that the bridge shows to destinations: its own, or one from the identities folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chassis.settings import TlsSettings


class IdentityUnusableError(Exception):
    """There is no such identity, or a file of it is missing; one sentence that says how to correct it."""


@dataclass(frozen=True)
class Identities:
    """`folder` holds <identity>/{certificate,key,authority}.pem; `own` is the bridge's own certificate."""

    own: TlsSettings
    folder: Path | None = None

    def tls_of(self, identity: str) -> TlsSettings:
        """The files of an identity; empty: the bridge's own. Raises IdentityUnusableError."""
        if not identity:
            return self.own
        if self.folder is None:
            raise IdentityUnusableError("should be empty: the bridge has no GANTRY_BRIDGE__IDENTITIES folder")
        # Compared with the names in the folder: a name that leads out of it is not among them.
        known = {entry.name: entry for entry in self._entries()}
        if identity not in known:
            names = ", ".join(sorted(known)) or "none"
            raise IdentityUnusableError(
                f"should be the name of a folder in GANTRY_BRIDGE__IDENTITIES; known: {names}"
            )
        files = {part: known[identity] / f"{part}.pem" for part in ("certificate", "key", "authority")}
        for file in files.values():
            if not file.is_file():
                raise IdentityUnusableError(f"names an identity without {file.name}")
        return TlsSettings(**files)

    def _entries(self) -> list[Path]:
        assert self.folder is not None, "asked only when there is a folder"
        try:
            return [
                entry for entry in self.folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")
            ]
        except OSError:
            return []
