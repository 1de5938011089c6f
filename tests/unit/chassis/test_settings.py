"""Bad settings are one sentence that names the variable; secrets are never shown."""

from __future__ import annotations

import pytest

from chassis.settings import DatabaseSettings, ServiceSettings, SettingsError, load_settings, masked


class StoreSettings(ServiceSettings):
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


def test_secrets_are_masked_and_their_files_are_not(environment, tmp_path):
    file = tmp_path / "password"
    file.write_text("hush")
    environment.setenv("GANTRY_DATABASE__PASSWORD_FILE", str(file))
    environment.setenv("GANTRY_SIGNING_SECRET", "hush-hush")
    shown = masked(load_settings(StoreSettings))
    assert shown["GANTRY_SIGNING_SECRET"] == "********"
    assert shown["GANTRY_DATABASE__PASSWORD_FILE"] == str(file)
    assert "hush" not in "".join(value for value in shown.values() if value != str(file))


def test_a_bad_secret_is_not_quoted(environment):
    class Strict(StoreSettings):
        token: int = 0

    environment.setenv("GANTRY_TOKEN", "hush")
    with pytest.raises(SettingsError) as raised:
        load_settings(Strict)
    assert "hush" not in str(raised.value)
