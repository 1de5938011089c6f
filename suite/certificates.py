"""A certificate authority of our own, and the certificates of services and people that it signs."""

import ipaddress
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chassis.settings import TlsSettings
from suite.errors import SuiteError

LEAF_LIFE = timedelta(days=365)
"""For how long a certificate of a service or person is valid."""
_AUTHORITY_LIFE = timedelta(days=3652)
_RENEW_BEFORE = {True: timedelta(days=730), False: timedelta(days=120)}  # by whether it is an authority
_CLOCKS_DIFFER_BY = timedelta(hours=1)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FORCE = re.compile(r"[a-z][a-z0-9-]{0,31}")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class _Pair:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


class Authority:
    """The authority of one folder: ``ca.pem`` is public, ``ca.key`` is secret, its certificates are below."""

    def __init__(self, folder: Path, *, clock: Callable[[], datetime] = _now) -> None:
        """Open the authority. It is made when it is missing, broken or about to expire."""
        self._folder = folder
        self._clock = clock
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = _read(self.certificate, folder / "ca.key")
        if found is None or self._old(found.certificate, authority=True):
            found = self._make_authority()
            _write(found, self.certificate, folder / "ca.key")
        self._pair = found

    @property
    def certificate(self) -> Path:
        """The authority's certificate, PEM, which the others have to trust."""
        return self._folder / "ca.pem"

    def issue_service(self, name: str, *, dns: Sequence[str] = (), ips: Sequence[str] = ()) -> TlsSettings:
        """A service's certificate for localhost, 127.0.0.1 and the given names; issued again when needed.

        Its identity is ``gantry://service/NAME``.
        """
        hosts = list(dict.fromkeys(("localhost", _dns_label(name), *dns)))
        addresses = [ipaddress.ip_address(each) for each in dict.fromkeys(("127.0.0.1", "::1", *ips))]
        names = [
            x509.UniformResourceIdentifier(f"gantry://service/{_checked(name)}"),
            *(x509.DNSName(host) for host in hosts),
            *(x509.IPAddress(address) for address in addresses),
        ]
        usages = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
        return self._issue("services", name, names, usages)

    def issue_person(self, name: str, forces: Sequence[str]) -> TlsSettings:
        """A person's certificate for clients only. It names the forces that the person may work for."""
        for force in forces:
            if not _FORCE.fullmatch(force):
                raise SuiteError(f"{force!r} is not a force code: use a-z, 0-9 and -, a letter first")
        uris = [f"gantry://person/{_checked(name)}", *(f"gantry://force/{force}" for force in forces)]
        names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        return self._issue("people", name, names, (ExtendedKeyUsageOID.CLIENT_AUTH,))

    def _issue(
        self,
        kind: str,
        name: str,
        names: Sequence[x509.GeneralName],
        usages: Sequence[x509.ObjectIdentifier],
    ) -> TlsSettings:
        folder = self._folder / kind
        folder.mkdir(mode=0o700, exist_ok=True)
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        wanted = x509.SubjectAlternativeName(names)
        if not self._usable(_read(certificate, key), wanted):
            _write(self._make_leaf(name, wanted, usages), certificate, key)
        return TlsSettings(certificate=certificate, key=key, authority=self.certificate)

    def _usable(self, found: _Pair | None, wanted: x509.SubjectAlternativeName) -> bool:
        if found is None or self._old(found.certificate, authority=False):
            return False
        try:
            found.certificate.verify_directly_issued_by(self._pair.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        names = found.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names == wanted

    def _old(self, certificate: x509.Certificate, *, authority: bool) -> bool:
        return certificate.not_valid_after_utc - self._clock() < _RENEW_BEFORE[authority]

    def _make_authority(self) -> _Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject("Gantry local authority")
        builder = (
            self._dated(key, subject, subject, _AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
        )
        return _Pair(key, builder.sign(key, hashes.SHA256()))

    def _make_leaf(
        self, name: str, names: x509.SubjectAlternativeName, usages: Sequence[x509.ObjectIdentifier]
    ) -> _Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self._pair.certificate
        signer = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            self._dated(key, _subject(name), issuer.subject, LEAF_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(names, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False
            )
        )
        return _Pair(key, builder.sign(self._pair.key, hashes.SHA256()))

    def _dated(
        self, key: ec.EllipticCurvePrivateKey, subject: x509.Name, issuer: x509.Name, life: timedelta
    ) -> x509.CertificateBuilder:
        now = self._clock()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCKS_DIFFER_BY)
            .not_valid_after(now + life)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SuiteError(f"{name!r} cannot name a certificate: use up to 64 letters, digits, dots, - and _")
    return name


def _dns_label(name: str) -> str:
    return name.replace("_", "-").lower()


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _read(certificate: Path, key: Path) -> _Pair | None:
    """The pair in the files, or None when a file is missing or broken, or the two do not belong together."""
    try:
        leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = load_pem_private_key(key.read_bytes(), password=None)
    except (FileNotFoundError, ValueError):
        return None
    fits = isinstance(private, ec.EllipticCurvePrivateKey) and private.public_key() == leaf.public_key()
    return _Pair(private, leaf) if fits and isinstance(private, ec.EllipticCurvePrivateKey) else None


def _write(pair: _Pair, certificate: Path, key: Path) -> None:
    """Write both files. After a crash between the two, `_read` refuses the pair."""
    text = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _replace(key, text, 0o600)
    _replace(certificate, pair.certificate.public_bytes(Encoding.PEM), 0o644)


def _replace(file: Path, content: bytes, mode: int) -> None:
    draft = file.with_name(f"{file.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as output:
        output.write(content)
        output.flush()
        os.fsync(output.fileno())
    draft.replace(file)
