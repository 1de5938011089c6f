"""Renewed certificates: a process ends well to be started with them, and takes no half of them."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chassis.renewal import Renewal
from chassis.settings import TlsSettings
from suite.certificates import Authority
from tests.contract.chassis.probe import await_ports

SOON = {"GANTRY_TLS__RENEWED_POLL_SECONDS": "0.1", "GANTRY_TLS__RENEWED_SPREAD_SECONDS": "0.5"}


class Mounted:
    """Files as Kubernetes mounts a Secret: links through ``..data``, which is replaced in one step."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._folder = folder
        self._authority = authority
        self._versions = 0
        folder.mkdir()
        self.renew()
        for name in ("tls.crt", "tls.key", "ca.crt"):
            (folder / name).symlink_to(Path("..data") / name)

    @property
    def tls(self) -> TlsSettings:
        """Settings for which a test need not wait."""
        return TlsSettings(
            certificate=self._folder / "tls.crt",
            key=self._folder / "tls.key",
            authority=self._folder / "ca.crt",
            renewed_poll_seconds=0.1,
            renewed_spread_seconds=0,
        )

    @property
    def variables(self) -> dict[str, str]:
        """Where a process finds them."""
        tls = self.tls
        return {
            "GANTRY_TLS__CERTIFICATE": str(tls.certificate),
            "GANTRY_TLS__KEY": str(tls.key),
            "GANTRY_TLS__AUTHORITY": str(tls.authority),
            **SOON,
        }

    def renew(self) -> None:
        """Mount a further certificate."""
        self._versions += 1
        version = self._folder / f"..{self._versions}"
        version.mkdir()
        issued = self._authority.issue_service("probe", dns=(f"version-{self._versions}",))
        for source, name in ((issued.certificate, "tls.crt"), (issued.key, "tls.key")):
            shutil.copyfile(source, version / name)
        shutil.copyfile(issued.authority, version / "ca.crt")
        (self._folder / "..draft").symlink_to(version.name)
        (self._folder / "..draft").rename(self._folder / "..data")


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    return Mounted(tmp_path / "mounted", Authority(tmp_path / "pki"))


def shown_by(port: int, tls: TlsSettings) -> bytes:
    """The certificate that a server shows, in PEM."""
    context = ssl.create_default_context(cafile=tls.authority)
    context.load_cert_chain(tls.certificate, tls.key)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        return ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b"").encode()


def test_a_process_ends_well_and_serves_the_new_one_when_it_is_started_again(spawn, tmp_path, mounted):
    ports = tmp_path / "ports.json"
    process = spawn(**mounted.variables)
    await_ports(process, ports)
    old = mounted.tls.certificate.read_bytes()
    assert shown_by(json.loads(ports.read_text())["grpc"], mounted.tls) == old
    mounted.renew()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    said = [json.loads(line)["message"] for line in errors.splitlines()]
    assert said[-2:] == [
        "the certificate was renewed",
        "stopping, to be started again with the renewed certificate",
    ]
    again = spawn(**mounted.variables)
    await_ports(again, ports)
    new = mounted.tls.certificate.read_bytes()
    assert new != old
    assert shown_by(json.loads(ports.read_text())["grpc"], mounted.tls) == new


def test_files_that_were_replaced_during_the_start_count_as_renewed(spawn, tmp_path, mounted):
    """A channel may hold the old ones already."""
    ports = tmp_path / "ports.json"
    process = spawn(**mounted.variables, GANTRY_COLOUR="late")
    await_ports(process, tmp_path / "started")
    mounted.renew()
    (tmp_path / "go").touch()
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert not ports.exists()


async def test_half_of_a_renewal_is_not_taken(mounted, tmp_path):
    tls = mounted.tls
    watched = asyncio.create_task(Renewal(tls).renewed())
    other = Authority(tmp_path / "pki").issue_service("probe", dns=("other",))
    for broken in (other.key.read_bytes(), b"", other.key.read_bytes()[:100]):
        replaced = tmp_path / "key"
        replaced.write_bytes(broken)
        replaced.rename(tls.key)
        done, _ = await asyncio.wait([watched], timeout=0.5)
        assert not done, "the key fits no certificate"
    shutil.copyfile(other.key, tls.key)
    shutil.copyfile(other.certificate, tls.certificate)
    await asyncio.wait_for(watched, 10)


async def test_one_that_is_not_valid_yet_is_not_taken(mounted, tmp_path):
    tls = mounted.tls
    watched = asyncio.create_task(Renewal(tls).renewed())
    for days, taken in ((10, False), (0, True)):
        then = datetime.now(UTC) + timedelta(days=days)
        authority = Authority(tmp_path / "pki", clock=lambda then=then: then)
        issued = authority.issue_service("probe", dns=(f"in-{days}-days",))
        for source, target in ((issued.key, tls.key), (issued.certificate, tls.certificate)):
            shutil.copyfile(source, target)
        done, _ = await asyncio.wait([watched], timeout=10 if taken else 0.5)
        assert bool(done) is taken


async def test_an_old_one_that_ends_soon_shortens_the_wait(authority, monkeypatch):
    tls = authority.issue("short", "gantry://service/probe").model_copy(
        update={"renewed_spread_seconds": 86_400}
    )
    renewal = Renewal(tls)
    monkeypatch.setattr("random.uniform", lambda _, most: most)
    assert 1500 < renewal._part_of_spread() <= 1800
    nearly = time.time() + 3590
    monkeypatch.setattr("time.time", lambda: nearly)
    assert renewal._part_of_spread() <= 5


def test_the_time_that_is_left_is_on_the_page(spawn, tmp_path, mounted):
    process = spawn(**mounted.variables, GANTRY_TELEMETRY__METRICS_LISTEN="127.0.0.1:0")
    await_ports(process, tmp_path / "ports.json")
    port = json.loads((tmp_path / "ports.json").read_text())["metrics"]
    left = days_left_on(port)
    ends_at = time.monotonic() + 10
    # The page begins a moment before the server.
    while not left:
        assert time.monotonic() < ends_at
        left = days_left_on(port)
    assert left.keys() == {"certificate", "authority"}
    assert 364 < left["certificate"] <= 365
    assert 3650 < left["authority"] <= 3652


def days_left_on(port: int) -> dict[str, float]:
    """The gauge on a page of metrics, by file, in days."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    return {
        line.split('"')[1]: float(line.split()[-1]) / 86_400
        for line in page.splitlines()
        if line.startswith("gantry_certificate_seconds_left{")
    }
