"""What the bridge can be told, and how it says that it was told wrong."""

import json
from pathlib import Path

import pytest

from chassis.settings import SettingsError, load_settings
from services.nas_bridge.forwarding import destinations_by_force
from services.nas_bridge.settings import BridgeSettings

NAS = {"name": "nas", "adapter": "nas", "target": "127.0.0.1:7000"}
NADC = {"name": "nadc", "adapter": "nadc", "url": "https://127.0.0.1:7001/nadc/batches", "images": "none"}


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "some.pem"
    file.touch()
    for name in ("CERTIFICATE", "KEY", "AUTHORITY"):
        monkeypatch.setenv(f"GANTRY_TLS__{name}", str(file))
    monkeypatch.setenv("GANTRY_DATABASE__HOST", "/tmp")
    monkeypatch.setenv("GANTRY_DATABASE__USER", "gantry_nas_bridge")
    monkeypatch.setenv("GANTRY_BRIDGE__STORE", "127.0.0.1:6000")
    monkeypatch.setenv("GANTRY_BRIDGE__FORCES", "essex, kent")
    monkeypatch.setenv("GANTRY_BRIDGE__DESTINATIONS", json.dumps([NAS, NADC]))


def test_forces_and_destinations_are_read() -> None:
    bridge = load_settings(BridgeSettings).bridge
    assert bridge.forces == ("essex", "kent")
    nas, nadc = bridge.destinations
    assert (nas.name, nas.images, nadc.images) == ("nas", "both", "none")
    assert nas.model_extra == {"target": "127.0.0.1:7000"}


def test_a_destination_can_be_for_some_forces_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANTRY_BRIDGE__DESTINATIONS", json.dumps([NAS, {**NADC, "forces": ["kent"]}]))
    bridge = load_settings(BridgeSettings).bridge
    assert destinations_by_force(bridge) == {"essex": ["nas"], "kent": ["nas", "nadc"]}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STORE", "nowhere"),
        ("FORCES", ""),
        ("FORCES", "Essex"),
        ("DESTINATIONS", "[]"),
        ("DESTINATIONS", json.dumps([NAS, NAS])),
        ("DESTINATIONS", json.dumps([{**NAS, "name": "N A S"}])),
        ("DESTINATIONS", json.dumps([{**NAS, "images": "some"}])),
        ("DESTINATIONS", json.dumps([{**NAS, "certificate": "/no/such/file"}])),
        ("GATHER_SECONDS", "-1"),
        ("REFUSED_PERCENT", "0"),
        ("GATHR_SECONDS", "1"),
    ],
)
def test_a_bad_value_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(f"GANTRY_BRIDGE__{variable}", value)
    with pytest.raises(SettingsError, match=f"GANTRY_BRIDGE__{variable}"):
        load_settings(BridgeSettings)
