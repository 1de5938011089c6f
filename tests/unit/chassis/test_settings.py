"""Bad settings are one sentence that names the variable; secrets are never shown."""

from __future__ import annotations

import json
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field

from chassis.settings import DatabaseSettings, ServiceSettings, SettingsError, load_settings, masked


class StoreSettings(ServiceSettings):
    known_sections = frozenset({"store", "match"})

    database: DatabaseSettings
    forces: tuple[str, ...] = ()
    signing_secret: str = "x"
    days: int = 7


@pytest.fixture
def environment(monkeypatch, tmp_path):
    for name in ("CERTIFICATE", "KEY", "AUTHORITY"):
        (tmp_path / name).write_text("pem")
        monkeypatch.setenv(f"GANTRY_TLS__{name}", str(tmp_path / name))
    monkeypatch.setenv("GANTRY_DATABASE__HOST", "/run/postgres")
    monkeypatch.setenv("GANTRY_DATABASE__USER", "gantry_store")
    return monkeypatch


def test_nested_settings_and_lists_are_read(environment):
    environment.setenv("GANTRY_DATABASE__POOL_SIZE", "3")
    environment.setenv("GANTRY_FORCES", '["essex","kent"]')
    settings = load_settings(StoreSettings)
    assert settings.database.pool_size == 3
    assert settings.forces == ("essex", "kent")
    assert settings.grpc.listen == "127.0.0.1:0"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("GANTRY_DATABASE__PORT", "none", "GANTRY_DATABASE__PORT is 'none', which cannot be used: "),
        ("GANTRY_DATABASE__PORT", "70000", "GANTRY_DATABASE__PORT is '70000', which cannot be used: "),
        ("GANTRY_GRPC__LISTEN", "localhost", "GANTRY_GRPC__LISTEN is 'localhost', which cannot be used: "),
        ("GANTRY_GRPC__LISTEN", "h:99999", "GANTRY_GRPC__LISTEN is 'h:99999', which cannot be used: "),
        (
            "GANTRY_TELEMETRY__LOG_LEVEL",
            "loud",
            "GANTRY_TELEMETRY__LOG_LEVEL is 'loud', which cannot be used: ",
        ),
        ("GANTRY_TELEMETRY__LOGLEVEL", "info", "GANTRY_TELEMETRY__LOGLEVEL is not a setting of this service"),
        ("GANTRY_DATABASE__PASSWORD_FILE", "/nope", "GANTRY_DATABASE__PASSWORD_FILE is '/nope', which"),
        ("GANTRY_DAYS", "x", "GANTRY_DAYS is 'x', which cannot be used: "),
        ("GANTRY_FORCES", "essex,kent", "GANTRY_FORCES should be JSON"),
        (
            "GANTRY_GRPC",
            "yes",
            "GANTRY_GRPC should be JSON; or set its parts one by one, as GANTRY_GRPC__NAME.",
        ),
    ],
)
def test_a_bad_value_is_named(environment, name, value, sentence):
    environment.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings(StoreSettings)
    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("missing", ["GANTRY_TLS__KEY", "GANTRY_DATABASE__USER"])
def test_a_missing_value_is_named(environment, missing):
    environment.delenv(missing)
    with pytest.raises(SettingsError, match=f"^{missing} is not set"):
        load_settings(StoreSettings)


def test_a_missing_section_is_named_by_its_first_variable(environment):
    environment.delenv("GANTRY_DATABASE__HOST")
    environment.delenv("GANTRY_DATABASE__USER")
    with pytest.raises(SettingsError, match=r"^GANTRY_DATABASE__HOST is not set"):
        load_settings(StoreSettings)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("GANTRY_DATABSE__USER", "GANTRY_DATABASE__USER"),
        ("GANTRY_TELEMTRY__LOGLEVEL", "GANTRY_TELEMETRY__LOG_LEVEL"),
        ("GANTRY_SOTRE__IMAGES", "GANTRY_STORE__IMAGES"),
        ("gantry_tsl__key", "GANTRY_TLS__KEY"),
    ],
)
def test_a_misspelt_section_is_named_with_the_nearest_known_variable(environment, name, nearest):
    environment.setenv(name, "x")
    with pytest.raises(SettingsError) as raised:
        load_settings(StoreSettings)
    assert str(raised.value).startswith(f"{name.upper()} is not a setting of any service")
    assert str(raised.value).endswith(f": the nearest is {nearest}.")


def test_a_misspelt_name_is_named_with_the_nearest_known_one(environment):
    environment.delenv("GANTRY_DATABASE__USER")
    environment.setenv("GANTRY_DATABASE__USR", "gantry_store")
    with pytest.raises(SettingsError) as raised:
        load_settings(StoreSettings)
    assert str(raised.value) == (
        "GANTRY_DATABASE__USR is not a setting of this service; remove it, or correct its name: "
        "the nearest is GANTRY_DATABASE__USER."
    )


@pytest.mark.parametrize("name", ["GANTRY_HOME", "GANTRY_STORE_SERVICE_HOST", "GANTRY_MATCH__FORCES"])
def test_what_is_for_others_is_left_alone(environment, name):
    environment.setenv(name, "x")
    assert load_settings(StoreSettings).days == 7


def test_secrets_are_masked_and_their_files_are_not(environment, tmp_path):
    file = tmp_path / "password"
    file.write_text("hush")
    environment.setenv("GANTRY_DATABASE__PASSWORD_FILE", str(file))
    environment.setenv("GANTRY_SIGNING_SECRET", "hush-hush")
    shown = masked(load_settings(StoreSettings))
    assert shown["GANTRY_SIGNING_SECRET"] == "********"
    assert shown["GANTRY_DATABASE__PASSWORD_FILE"] == str(file)
    assert "hush" not in "".join(value for value in shown.values() if value and value != str(file))


def test_a_bad_secret_is_not_quoted(environment):
    class Strict(StoreSettings):
        token: int = 0

    environment.setenv("GANTRY_TOKEN", "hush")
    with pytest.raises(SettingsError) as raised:
        load_settings(Strict)
    assert "hush" not in str(raised.value)


def test_a_secret_inside_a_list_is_neither_shown_nor_quoted(environment):
    class Target(BaseModel):
        model_config = ConfigDict(extra="allow")

    class Sending(StoreSettings):
        targets: Annotated[tuple[Target, ...], Field(max_length=1)]

    environment.setenv("GANTRY_TARGETS", '[{"name": "a", "api_token": "hush", "forces": ["essex"]}]')
    shown = masked(load_settings(Sending))["GANTRY_TARGETS"]
    assert json.loads(shown) == [{"name": "a", "api_token": "********", "forces": ["essex"]}]
    environment.setenv("GANTRY_TARGETS", '[{"api_token": "hush"}, {"api_token": "hush"}]')
    with pytest.raises(SettingsError, match="GANTRY_TARGETS is") as raised:
        load_settings(Sending)
    assert "hush" not in str(raised.value)
