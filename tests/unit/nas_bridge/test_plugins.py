"""Destinations are plug-ins: found by entry point, their options checked when they are added."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chassis.errors import InvalidInput
from chassis.settings import TlsSettings
from services.nas_bridge.destinations.adapter import Destination, OptionInvalidError, Receipt, Submission
from services.nas_bridge.destinations.connections import Connections
from services.nas_bridge.destinations.destination import DestinationSettings
from services.nas_bridge.destinations.identities import Identities
from services.nas_bridge.destinations.nadc import NadcDestination
from services.nas_bridge.destinations.nas import NasDestination
from services.nas_bridge.destinations.plugins import AdapterUnusableError, check_adapter, find_adapter
from suite.certificates import Authority


class PartnerDestination:
    """What an integrator writes."""

    def __init__(self, settings: DestinationSettings, tls: TlsSettings) -> None:
        self.settings, self.tls = settings, tls

    @staticmethod
    def check(options: Mapping[str, str]) -> None:
        if options.get("colour") != "blue":
            raise OptionInvalidError("colour", "should be blue")

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


@pytest.mark.parametrize(("name", "kind"), [("nas", NasDestination), ("nadc", NadcDestination)])
def test_our_own_adapters_are_installed(name: str, kind: type) -> None:
    assert find_adapter(name) is kind


@pytest.mark.usefixtures("partner")
async def test_another_packages_adapter_is_found_checked_and_opened(pki: Authority) -> None:
    settings = DestinationSettings("p", "partner", {"colour": "blue"})
    check_adapter(settings)
    async with Connections(Identities(pki.issue_service("nas_bridge"))).open(settings) as opened:
        assert isinstance(opened, PartnerDestination)
        assert opened.settings == settings


@pytest.mark.usefixtures("partner")
def test_a_partners_own_check_names_the_option() -> None:
    with pytest.raises(InvalidInput) as raised:
        check_adapter(DestinationSettings("p", "partner", {"colour": "red"}))
    assert (raised.value.reason, raised.value.field) == ("DESTINATION_INVALID", "destination.options.colour")


def test_an_unknown_adapter_is_named_with_those_known() -> None:
    with pytest.raises(AdapterUnusableError, match=r"not installed; known: .*nadc, nas"):
        find_adapter("pigeon")
    with pytest.raises(InvalidInput) as raised:
        check_adapter(DestinationSettings("p", "pigeon"))
    assert (raised.value.reason, raised.value.field) == ("DESTINATION_INVALID", "destination.adapter")


def test_an_adapter_offered_twice_is_not_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, "nas", "elsewhere:Other", "rival")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(AdapterUnusableError, match="several packages"):
        find_adapter("nas")


def test_an_adapter_that_does_not_load_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, "broken", "no_such_module:Thing")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(AdapterUnusableError, match="cannot be loaded"):
        find_adapter("broken")


@pytest.mark.parametrize(
    ("adapter", "options", "field", "says"),
    [
        ("nas", {}, "target", "HOST:PORT"),
        ("nas", {"target": "here"}, "target", "HOST:PORT"),
        ("nas", {"target": "127.0.0.1:1", "tarjet": "x"}, "tarjet", "known: target"),
        ("nadc", {}, "url", "https"),
        ("nadc", {"url": "not a url"}, "url", "https"),
        ("nadc", {"url": "http://127.0.0.1/nadc"}, "url", "https"),
    ],
)
def test_a_destinations_own_options_are_checked(
    adapter: str, options: dict[str, str], field: str, says: str
) -> None:
    with pytest.raises(InvalidInput, match=says) as raised:
        check_adapter(DestinationSettings("d", adapter, options))
    assert (raised.value.reason, raised.value.field) == (
        "DESTINATION_INVALID",
        f"destination.options.{field}",
    )
