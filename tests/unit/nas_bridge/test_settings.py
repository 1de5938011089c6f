"""What the bridge can be told, and how it says that it was told wrong."""

from pathlib import Path

import pytest

from chassis.settings import SettingsError, load_settings
from services.nas_bridge.settings import BridgeSettings


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "some.pem"
    file.touch()
    for name in ("CERTIFICATE", "KEY", "AUTHORITY"):
        monkeypatch.setenv(f"GANTRY_TLS__{name}", str(file))
    monkeypatch.setenv("GANTRY_DATABASE__HOST", "/tmp")
    monkeypatch.setenv("GANTRY_DATABASE__USER", "gantry_nas_bridge")
    monkeypatch.setenv("GANTRY_BRIDGE__STORE", "127.0.0.1:6000")


def test_identities_are_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load_settings(BridgeSettings).bridge.identities is None
    monkeypatch.setenv("GANTRY_BRIDGE__IDENTITIES", str(tmp_path))
    assert load_settings(BridgeSettings).bridge.identities == tmp_path


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STORE", "nowhere"),
        ("IDENTITIES", "/no/such/folder"),
        ("FORCES", "essex"),
        ("DESTINATIONS", "[]"),
        ("GATHER_SECONDS", "-1"),
        ("REFUSED_PERCENT", "0"),
        ("GATHR_SECONDS", "1"),
    ],
)
def test_a_bad_value_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(f"GANTRY_BRIDGE__{variable}", value)
    with pytest.raises(SettingsError, match=f"GANTRY_BRIDGE__{variable}"):
        load_settings(BridgeSettings)
