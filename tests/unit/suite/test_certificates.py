"""The authority signs what TLS accepts and says who it is; it renews in time and keeps keys private."""

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from chassis.settings import TlsSettings
from suite.certificates import Authority
from suite.errors import SuiteError


def leaf_of(tls: TlsSettings) -> x509.Certificate:
    return x509.load_pem_x509_certificate(tls.certificate.read_bytes())


def uris_of(tls: TlsSettings) -> list[str]:
    names = leaf_of(tls).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return list(names.get_values_for_type(x509.UniformResourceIdentifier))


def shake_hands(server: TlsSettings, client: TlsSettings, host: str) -> bytes | None:
    """Do a mutual TLS handshake in memory; the client's certificate as the server saw it."""
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=server.authority)
    theirs.load_cert_chain(server.certificate, server.key)
    theirs.verify_mode = ssl.CERT_REQUIRED
    ours = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=client.authority)
    ours.load_cert_chain(client.certificate, client.key)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        ours.wrap_bio(down, up, server_hostname=host),
        theirs.wrap_bio(up, down, server_side=True),
    ]
    waiting = list(sides)
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    return sides[1].getpeercert(binary_form=True)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "nas-bridge", "gantry.example"])
def test_a_service_and_a_person_shake_hands(tmp_path: Path, host: str) -> None:
    authority = Authority(tmp_path)
    service = authority.issue_service("nas_bridge", dns=["gantry.example"])
    person = authority.issue_person("operator.one", ["essex", "kent"])
    seen = shake_hands(service, person, host)
    assert seen is not None
    assert uris_of(person) == ["gantry://person/operator.one", "gantry://force/essex", "gantry://force/kent"]
    assert uris_of(service) == ["gantry://service/nas_bridge"]


def test_a_person_cannot_pose_as_a_server(tmp_path: Path) -> None:
    usage = leaf_of(Authority(tmp_path).issue_person("a", [])).extensions.get_extension_for_class(
        x509.ExtendedKeyUsage
    )
    assert list(usage.value) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_another_authority_is_not_trusted(tmp_path: Path) -> None:
    ours = Authority(tmp_path / "ours")
    impostor = Authority(tmp_path / "theirs").issue_person("operator", ["essex"])
    client = TlsSettings(certificate=impostor.certificate, key=impostor.key, authority=ours.certificate)
    with pytest.raises(ssl.SSLError):
        shake_hands(ours.issue_service("store"), client, "localhost")


def test_keys_are_private(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    authority.issue_service("store")
    keys = list((tmp_path / "pki").rglob("*.key"))
    assert len(keys) == 2
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


def test_what_is_good_is_kept(tmp_path: Path) -> None:
    first = leaf_of(Authority(tmp_path).issue_service("store"))
    assert leaf_of(Authority(tmp_path).issue_service("store")) == first


def test_other_names_or_forces_get_a_new_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    first = leaf_of(authority.issue_person("a", ["essex"]))
    assert leaf_of(authority.issue_person("a", ["kent"])) != first
    plain = leaf_of(authority.issue_service("store"))
    assert leaf_of(authority.issue_service("store", ips=["10.0.0.7"])) != plain


def test_expiry_near_means_a_new_certificate(tmp_path: Path) -> None:
    first = leaf_of(Authority(tmp_path).issue_service("store"))
    soon = datetime.now(UTC) + timedelta(days=300)
    assert leaf_of(Authority(tmp_path, clock=lambda: soon).issue_service("store")) != first


def test_a_new_authority_signs_everything_again(tmp_path: Path) -> None:
    first = leaf_of(Authority(tmp_path).issue_service("store"))
    (tmp_path / "ca.key").unlink()
    authority = Authority(tmp_path)
    second = leaf_of(authority.issue_service("store"))
    assert second != first
    second.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate.read_bytes()))


def test_half_written_pairs_are_replaced(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    store, match = authority.issue_service("store"), authority.issue_service("match")
    store.key.write_bytes(match.key.read_bytes())
    match.certificate.write_text("broken")
    shake_hands(authority.issue_service("store"), authority.issue_service("match"), "localhost")


@pytest.mark.parametrize("name", ["", "../up", "a/b", "with blank", "x" * 65])
def test_names_that_would_confuse_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SuiteError, match="cannot name a certificate"):
        Authority(tmp_path).issue_person(name, [])


def test_forces_that_would_confuse_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="not a force code"):
        Authority(tmp_path).issue_person("a", ["Essex/kent"])
