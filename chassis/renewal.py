"""Notices that the files of our certificate were renewed: the process then ends, to be started with them.

See docs/decisions/0021-renewed-certificates-by-a-restart.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chassis.der import dates_in
from chassis.metrics import Gauge, Values, showing
from chassis.names import MetricName
from chassis.settings import TlsSettings

_CERTIFICATE: Final = "certificate"
_AUTHORITY: Final = "authority"

_log = logging.getLogger(__name__)
_seconds_left: Final = Gauge(MetricName.CERTIFICATE_SECONDS_LEFT)


@dataclass(frozen=True)
class Identity:
    """What the files of TlsSettings hold: a digest, and when certificate and authority end (since 1970)."""

    digest: bytes
    begins_at: float
    ends_at: Mapping[str, float]

    @property
    def first_end(self) -> float:
        """When the first of them ends."""
        return min(self.ends_at.values())


class Renewal:
    """Watches the files with which this process was started."""

    def __init__(self, tls: TlsSettings) -> None:
        """Take what the files hold as the present identity, unless `begin` has done so before."""
        self._tls = tls
        self._identity = _begun.pop(tls, None) or _usable(tls)
        if self._identity is None:
            _log.warning("the certificate cannot be watched, because its files cannot be understood")

    async def show(self) -> None:
        """Show in the metrics how long the present identity is valid, without end."""
        await showing(_seconds_left.observing(self._left))

    async def renewed(self) -> None:
        """Return when the files hold another usable identity, and our part of the spread is over."""
        while True:
            found = await self._changed()
            seconds = self._part_of_spread()
            _log.info("the certificate was renewed", extra={"restart_in_seconds": round(seconds)})
            await asyncio.sleep(seconds)
            # They may have been broken meanwhile, and a process that starts with broken files ends again.
            if await asyncio.to_thread(_usable, self._tls) is not None:
                return
            _log.warning("the renewed certificate is not usable any more", extra={"ends_at": found.first_end})

    async def _changed(self) -> Identity:
        """The new identity, once it has been the same for two looks: files are replaced one by one."""
        before: Identity | None = None
        while True:
            await asyncio.sleep(self._tls.renewed_poll_seconds)
            found = await asyncio.to_thread(_usable, self._tls)
            if found is None or (self._identity is not None and found.digest == self._identity.digest):
                before = None
            elif before is not None and before.digest == found.digest:
                return found
            else:
                before = found

    def _part_of_spread(self) -> float:
        """Replicas get new certificates at the same time, and must not restart at the same time."""
        left = 0.0 if self._identity is None else self._identity.first_end - time.time()
        most = min(self._tls.renewed_spread_seconds, max(0.0, left / 2))
        return random.uniform(0.0, most)  # noqa: S311 - no secret

    def _left(self) -> Values:
        if self._identity is None:
            return []
        now = time.time()
        return [(ends_at - now, {"file": file}) for file, ends_at in self._identity.ends_at.items()]


def begin(tls: TlsSettings) -> None:
    """Note what the files hold before anything of this process reads them; see `Renewal`."""
    if (identity := _usable(tls)) is not None:
        _begun[tls] = identity


def _usable(tls: TlsSettings) -> Identity | None:
    """What the files hold; None while they are incomplete, do not fit, or are not valid now."""
    try:
        identity = _read(tls)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        context.load_verify_locations(tls.authority)
        # The key was checked by name, after its text was read.
        same = _read(tls).digest == identity.digest
    except (OSError, ValueError, KeyError, StopIteration):
        return None
    return identity if same and identity.begins_at <= time.time() < identity.first_end else None


def _read(tls: TlsSettings) -> Identity:
    certificate, authority = tls.certificate.read_bytes(), tls.authority.read_bytes()
    digest = hashlib.sha256()
    for content in (certificate, tls.key.read_bytes(), authority):
        digest.update(hashlib.sha256(content).digest())
    own, authorities = dates_in(certificate)[0], dates_in(authority)
    # While an authority is replaced, the file holds the old and the new one.
    ours = [each for each in authorities if each.subject == own.issuer] or authorities
    ends_at = {_CERTIFICATE: own.ends_at, _AUTHORITY: min(each.ends_at for each in ours)}
    return Identity(digest.digest(), own.begins_at, ends_at)


_begun: Final[dict[TlsSettings, Identity]] = {}
