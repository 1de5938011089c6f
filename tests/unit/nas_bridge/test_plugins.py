"""Destinations are plug-ins: found by entry point, given an identity and their own options."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chassis.errors import StartupFailure
from chassis.settings import TlsSettings
from services.nas_bridge.destination import Destination, Receipt, Submission
from services.nas_bridge.destinations.nadc import NadcDestination
from services.nas_bridge.destinations.nas import NasDestination
from services.nas_bridge.plugins import find_adapter, identity_for, open_destinations
from services.nas_bridge.settings import DestinationSettings
from suite.certificates import Authority


class PartnerDestination:
    """What an integrator writes."""

    def __init__(self, settings: DestinationSettings, tls: TlsSettings) -> None:
        self.settings, self.tls = settings, tls

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: DestinationSettings, tls: TlsSettings) -> AsyncIterator[Destination]:
        yield cls(settings, tls)

    async def deliver(self, submission: Submission) -> Receipt:
        return Receipt("r", submission.count, 0)


@pytest.fixture
def partner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that offers the adapter "partner"."""
    offer(tmp_path, "partner", f"{__name__}:PartnerDestination")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, __name__, sys.modules[PartnerDestination.__module__])


def offer(folder: Path, name: str, value: str, package: str = "partner") -> None:
    info = folder / f"{package}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[gantry.destinations]\n{name} = {value}\n")


def settings(**values: object) -> DestinationSettings:
    return DestinationSettings.model_validate({"name": "nas", "adapter": "nas", **values})


@pytest.mark.parametrize(("name", "kind"), [("nas", NasDestination), ("nadc", NadcDestination)])
def test_our_own_adapters_are_installed(name: str, kind: type) -> None:
    assert find_adapter(name) is kind


@pytest.mark.usefixtures("partner")
async def test_another_packages_adapter_is_found_and_opened(pki: Authority) -> None:
    tls = pki.issue_service("nas_bridge")
    async with open_destinations([settings(name="p", adapter="partner", colour="blue")], tls) as opened:
        assert isinstance(opened["p"], PartnerDestination)
        assert opened["p"].settings.model_extra == {"colour": "blue"}


def test_an_unknown_adapter_is_named_with_those_known() -> None:
    with pytest.raises(StartupFailure, match=r"'pigeon', which is not installed; known: .*nadc, nas"):
        find_adapter("pigeon")


def test_an_adapter_offered_twice_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, "nas", "elsewhere:Other", "rival")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(StartupFailure, match="several packages"):
        find_adapter("nas")


def test_an_adapter_that_does_not_load_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, "broken", "no_such_module:Thing")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(StartupFailure, match="cannot be loaded"):
        find_adapter("broken")


@pytest.mark.parametrize(
    ("adapter", "extra", "says"),
    [
        ("nas", {}, "'target'"),
        ("nas", {"target": "here"}, "'target'"),
        ("nas", {"target": "127.0.0.1:1", "tarjet": "x"}, "'tarjet'"),
        ("nadc", {}, "'url'"),
        ("nadc", {"url": "not a url"}, "'url'"),
        ("nadc", {"url": "http://127.0.0.1/nadc"}, "'url'"),
    ],
)
async def test_a_destinations_own_options_are_checked(
    pki: Authority, adapter: str, extra: dict[str, str], says: str
) -> None:
    tls = pki.issue_service("nas_bridge")
    with pytest.raises(StartupFailure, match=says):
        async with open_destinations([settings(adapter=adapter, **extra)], tls):
            pass


def test_a_destination_can_have_an_identity_of_its_own(pki: Authority) -> None:
    ours, theirs = pki.issue_service("nas_bridge"), pki.issue_service("partner")
    assert identity_for(settings(), ours) == ours
    own = settings(certificate=theirs.certificate, key=theirs.key)
    assert identity_for(own, ours) == TlsSettings(
        certificate=theirs.certificate, key=theirs.key, authority=ours.authority
    )
