"""Commands and variables of processes depend on settings, ports and files alone."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from chassis.settings import DatabaseSettings, TlsSettings
from suite.certificates import Authority
from suite.environment import told_of
from suite.layout import Layout
from suite.plan import Plan, migration, port_names
from suite.settings import SuiteSettings


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    ports = {name: 20_000 + number for number, name in enumerate(port_names())}
    return Plan(SuiteSettings(tmp_path), Layout(tmp_path), ports)


@pytest.fixture
def tls(tmp_path: Path) -> TlsSettings:
    return Authority(tmp_path / "pki").issue_service("any")


@pytest.fixture
def database(tmp_path: Path) -> DatabaseSettings:
    (tmp_path / "password").write_text("not a secret")
    return DatabaseSettings(host="/run", user="gantry_any", password_file=tmp_path / "password")


def test_every_process_gets_the_address_of_the_store(
    plan: Plan, tls: TlsSettings, database: DatabaseSettings
) -> None:
    store = plan.service("store", tls, database).environment["GANTRY_GRPC__LISTEN"]
    for name, section in (("ingest", "INGEST"), ("match", "MATCH"), ("nas_bridge", "BRIDGE")):
        command = plan.service(name, tls, database)
        assert command.module == f"services.{name}"
        assert command.environment[f"GANTRY_{section}__STORE"] == store


def test_match_learns_the_names_of_cameras_from_ingest(
    plan: Plan, tls: TlsSettings, database: DatabaseSettings
) -> None:
    told = plan.service("match", tls, database).environment["GANTRY_MATCH__INGEST"]
    assert told == plan.service("ingest", tls, database).environment["GANTRY_GRPC__LISTEN"]


def test_the_canary_finds_all_others_and_no_database(
    plan: Plan, tls: TlsSettings, database: DatabaseSettings
) -> None:
    command = plan.canary(tls)
    assert command.module == "services.canary"
    for name in ("store", "ingest", "match"):
        listens = plan.service(name, tls, database).environment["GANTRY_GRPC__LISTEN"]
        assert command.environment[f"GANTRY_CANARY__{name.upper()}"] == listens
    assert command.environment["GANTRY_CANARY__DOOR"] == plan.address("ingest", "public")
    assert not [name for name in command.environment if name.startswith("GANTRY_DATABASE")]


def test_ports_of_processes_that_were_there_before_do_not_move() -> None:
    before = ["ingest.grpc", "ingest.public", "ingest.health", "ingest.metrics", "store.grpc"]
    assert port_names()[:5] == before
    assert port_names()[-2:] == ["canary.health", "canary.metrics"]


def test_an_empty_variable_is_left_out(
    plan: Plan, tls: TlsSettings, database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANTRY_MATCH__ALERT_DAYS", "30")
    less = {"match": {"GANTRY_MATCH__INGEST": "", "GANTRY_MATCH__ALERT_DAYS": ""}}
    command = replace(plan, settings=replace(plan.settings, environment=less)).service("match", tls, database)
    assert not {"GANTRY_MATCH__INGEST", "GANTRY_MATCH__ALERT_DAYS"} & command.variables.keys()
    assert command.variables["GANTRY_MATCH__STORE"]


def test_destinations_are_where_their_simulators_listen(plan: Plan, tls: TlsSettings) -> None:
    for name, option in (("nas", "target"), ("nadc", "url")):
        told = plan.destination(name)
        listens = plan.address(name, "https" if name == "nadc" else "grpc")
        assert (told.name, told.adapter) == (name, name)
        assert listens in told.options[option]
        assert listens in plan.simulator(name, tls).line


def test_secrets_are_passed_as_files_only(plan: Plan, tls: TlsSettings, database: DatabaseSettings) -> None:
    for command in (plan.service("store", tls, database), migration("store", database)):
        words = [*command.line, *command.environment.values()]
        assert not any("not a secret" in word for word in words)
        assert command.environment["GANTRY_DATABASE__PASSWORD_FILE"].endswith("password")


def test_nothing_left_in_our_environment_leads_to_another_database(
    plan: Plan, tls: TlsSettings, database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {
        "HOST": database.host,
        "PORT": "5432",
        "NAME": "gantry",
        "USER": database.user,
        "PASSWORD_FILE": str(database.password_file),
        "POOL_SIZE": "10",
    }
    monkeypatch.setenv("GANTRY_DATABASE__AUTHORITY", "/etc/gantry/ca.pem")
    monkeypatch.setenv("GANTRY_DATABASE__HOST", "db.example")
    monkeypatch.setenv("GANTRY_DATABASE", '{"authority": "/etc/gantry/ca.pem"}')
    monkeypatch.setenv("gantry_database__name", "another")
    store = plan.service("store", tls, database)
    for command in (store, migration("store", database)):
        found = {name: value for name, value in command.variables.items() if "DATABASE" in name.upper()}
        assert found == {f"GANTRY_DATABASE__{name}": value for name, value in wanted.items()}
    assert not [name for name in plan.canary(tls).variables if "DATABASE" in name.upper()]
    [told] = told_of(os.environ, [store])
    assert told == (
        "ignored in the environment, because the suite sets them: GANTRY_DATABASE, "
        "GANTRY_DATABASE__AUTHORITY, GANTRY_DATABASE__HOST, gantry_database__name"
    )


def test_a_process_can_get_more_variables(plan: Plan, tls: TlsSettings, database: DatabaseSettings) -> None:
    extra = {"store": {"GANTRY_STORE__RETENTION_DAYS": "3"}}
    told = replace(plan, settings=replace(plan.settings, environment=extra, traces_per_second=5))
    environment = told.service("store", tls, database).environment
    assert environment["GANTRY_STORE__RETENTION_DAYS"] == "3"
    assert environment["GANTRY_TELEMETRY__TRACES_PER_SECOND"] == "5"
    assert "GANTRY_INGEST__TRACES_PER_SECOND" not in environment
    assert told.service("ingest", tls, database).environment["GANTRY_INGEST__TRACES_PER_SECOND"] == "5"
    assert "GANTRY_STORE__RETENTION_DAYS" not in told.service("match", tls, database).environment


def test_simulators_get_arguments(plan: Plan, tls: TlsSettings) -> None:
    words = plan.simulator("nadc", tls).line
    assert words[2] == "simulators.nadc"
    assert plan.address("nadc", "https") in words
    assert str(plan.layout.run / "nadc.json") in words
