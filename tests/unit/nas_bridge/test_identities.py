"""Identities are folders below one folder, or files in it, and no name leads out of it."""

import shutil
from pathlib import Path

import pytest

from chassis.settings import TlsSettings
from services.nas_bridge.destinations.identities import Identities, IdentityUnusableError
from suite.certificates import Authority


@pytest.fixture
def folder(tmp_path: Path, pki: Authority) -> Path:
    place(pki.issue_service("partner"), tmp_path / "outside")
    place(pki.issue_service("partner"), tmp_path / "identities" / "partner")
    return tmp_path / "identities"


def place(tls: TlsSettings, folder: Path) -> None:
    folder.mkdir(parents=True)
    for part in ("certificate", "key", "authority"):
        shutil.copy(getattr(tls, part), folder / f"{part}.pem")


def test_no_identity_is_the_bridges_own(pki: Authority, folder: Path) -> None:
    own = pki.issue_service("nas_bridge")
    assert Identities(own).tls_of("") == own
    assert Identities(own, folder).tls_of("") == own


def test_an_identity_is_its_three_files(pki: Authority, folder: Path) -> None:
    found = Identities(pki.issue_service("nas_bridge"), folder).tls_of("partner")
    assert found == TlsSettings(
        certificate=folder / "partner" / "certificate.pem",
        key=folder / "partner" / "key.pem",
        authority=folder / "partner" / "authority.pem",
    )


@pytest.mark.parametrize("name", ["other", "../outside", "..", ".", "partner/../partner", "/etc", "partner/"])
def test_other_names_are_refused_with_those_known(pki: Authority, folder: Path, name: str) -> None:
    with pytest.raises(IdentityUnusableError, match="known: partner"):
        Identities(pki.issue_service("nas_bridge"), folder).tls_of(name)


def test_files_without_folders_are_identities_too(pki: Authority, folder: Path, tmp_path: Path) -> None:
    """As Kubernetes shows a Secret: links to a hidden folder, which it exchanges when the Secret changes."""
    data = folder / "..data"
    data.mkdir()
    for part in ("certificate", "key", "authority"):
        (data / f"partner.two.{part}.pem").write_text(part, encoding="utf-8")
        (folder / f"partner.two.{part}.pem").symlink_to(Path("..data") / f"partner.two.{part}.pem")
    identities = Identities(pki.issue_service("nas_bridge"), folder)
    found = identities.tls_of("partner.two")
    assert [found.certificate, found.key, found.authority] == [
        folder / f"partner.two.{part}.pem" for part in ("certificate", "key", "authority")
    ]
    with pytest.raises(IdentityUnusableError, match=r"known: partner, partner\.two$"):
        identities.tls_of("partner.three")


def test_a_missing_file_is_named(pki: Authority, folder: Path) -> None:
    (folder / "partner" / "key.pem").unlink()
    with pytest.raises(IdentityUnusableError, match=r"key\.pem"):
        Identities(pki.issue_service("nas_bridge"), folder).tls_of("partner")


def test_without_a_folder_there_are_none(pki: Authority) -> None:
    with pytest.raises(IdentityUnusableError, match="GANTRY_BRIDGE__IDENTITIES"):
        Identities(pki.issue_service("nas_bridge")).tls_of("partner")
