"""TLS to PostgreSQL: its certificate must be of a given authority and for the name of its host."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Final

from chassis.errors import StartupFailure

# OpenSSL's X509_V_ERR_...: HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH; CERT_HAS_EXPIRED.
_OTHER_NAME: Final = frozenset({62, 64})
_EXPIRED: Final = 10

_log = logging.getLogger(__name__)


def verified_by(authority: Path) -> ssl.SSLContext:
    """TLS that accepts only a certificate of this authority, for the host's name: libpq's verify-full.

    Raises StartupFailure when the file cannot be read or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=str(authority))
    except ssl.SSLError as error:
        raise StartupFailure(f"{authority} holds no certificate in PEM.") from error
    except OSError as error:
        raise StartupFailure(f"Cannot read {authority}: {error.strerror}.") from error
    # From Python 3.13 on it would refuse certificates without key identifiers, which libpq accepts.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def tls_refusal(error: BaseException | None, where: str, authority: Path | None) -> str | None:
    """A sentence for a connection that fails for its TLS, so that waiting changes nothing; else None."""
    if authority is None:
        return None
    if isinstance(error, StartupFailure):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_refusal(error, where, authority)
    # The driver has no type for it.
    if isinstance(error, ConnectionError) and "rejected SSL upgrade" in str(error):
        return f"{where} takes no TLS, which the authority {authority} requires; set ssl = on there."
    return None


def tell(refusal: str | None) -> None:
    """Log a refusal that is new. None: the last connection was not refused for its TLS."""
    if refusal is not None and refusal != _told.refusal:
        _log.warning("the database's TLS is not accepted", extra={"cause": refusal})
    _told.refusal = refusal


class _Told:
    """The refusal that was logged last. A process has one database."""

    refusal: str | None = None


_told: Final = _Told()


def _certificate_refusal(error: ssl.SSLCertVerificationError, where: str, authority: Path) -> str:
    if error.verify_code in _OTHER_NAME:
        return f"{where} has a certificate for other names; connect to a name that is in its certificate."
    if error.verify_code == _EXPIRED:
        return f"the certificate of {where} has expired; renew it."
    return (
        f"the certificate of {where} is not of the authority {authority} ({error.verify_message}); "
        "give the certificate of the authority that signed it."
    )
