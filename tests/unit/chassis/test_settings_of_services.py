"""The settings of the real services: their sections are known to all, and what they print they take back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chassis.run import MigrationSettings
from chassis.settings import ServiceSettings, load_settings, masked
from services.canary.settings import CanarySettings
from services.ingest.settings import IngestSettings
from services.match.settings import MatchSettings
from services.nas_bridge.settings import BridgeSettings
from services.sections import SECTIONS
from services.store.settings import StoreSettings

ALL = [CanarySettings, IngestSettings, MatchSettings, BridgeSettings, StoreSettings]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """One environment with what every service requires."""
    file = tmp_path / "some.pem"
    file.touch()
    variables = {
        **{f"GANTRY_TLS__{name}": str(file) for name in ("CERTIFICATE", "KEY", "AUTHORITY")},
        "GANTRY_DATABASE__HOST": "postgres",
        "GANTRY_DATABASE__USER": "gantry",
        "GANTRY_INGEST__STORE": "store:7000",
        "GANTRY_MATCH__STORE": "store:7000",
        "GANTRY_BRIDGE__STORE": "store:7000",
        **{f"GANTRY_CANARY__{name.upper()}": f"{name}:7000" for name in ("store", "ingest", "match", "door")},
        "GANTRY_STORE__IMAGES": "file:///images",
    }
    for variable in os.environ:
        if variable.startswith("GANTRY_"):
            monkeypatch.delenv(variable)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    return monkeypatch


@pytest.mark.parametrize("kind", [*ALL, MigrationSettings])
def test_one_environment_may_hold_the_sections_of_all(kind: type[ServiceSettings]) -> None:
    load_settings(kind, known=SECTIONS)


def test_every_section_is_in_the_list_that_all_services_know() -> None:
    assert {section for kind in ALL for section in kind.model_fields} == SECTIONS | {
        "tls",
        "grpc",
        "database",
        "telemetry",
    }


@pytest.mark.parametrize("kind", ALL)
def test_what_is_printed_can_be_set(environment: pytest.MonkeyPatch, kind: type[ServiceSettings]) -> None:
    before = load_settings(kind)
    for variable, value in masked(before).items():
        if value is None:
            environment.delenv(variable, raising=False)
        else:
            environment.setenv(variable, value)
    assert load_settings(kind) == before


@pytest.mark.parametrize(
    ("kind", "section"),
    [
        (IngestSettings, "ingest"),
        (MatchSettings, "match"),
        (BridgeSettings, "bridge"),
        (CanarySettings, "canary"),
    ],
)
def test_each_caller_of_the_store_can_get_the_name_in_its_certificate(
    environment: pytest.MonkeyPatch, kind: type[ServiceSettings], section: str
) -> None:
    assert getattr(load_settings(kind), section).store_name is None
    environment.setenv(f"GANTRY_{section.upper()}__STORE_NAME", "store.gantry.svc")
    assert getattr(load_settings(kind), section).store_name == "store.gantry.svc"


def test_the_canary_needs_no_database(environment: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "USER"):
        environment.delenv(f"GANTRY_DATABASE__{name}")
    assert load_settings(CanarySettings).database is None
