"""Where a variable of our environment meets a value of the suite: who wins, and what is said of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from chassis.settings import DatabaseSettings
from suite.certificates import Authority
from suite.environment import told_of
from suite.layout import Layout
from suite.plan import Plan, port_names
from suite.processes import Command
from suite.settings import SuiteSettings


def store_in(folder: Path) -> Command:
    ports = {name: 20_000 + number for number, name in enumerate(port_names())}
    plan = Plan(SuiteSettings(folder), Layout(folder), ports)
    (folder / "password").write_text("not a secret")
    database = DatabaseSettings(host="/run", user="gantry_store", password_file=folder / "password")
    return plan.service("store", Authority(folder / "pki").issue_service("store"), database)


def test_images_go_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = store_in(tmp_path)
    assert own.environment["GANTRY_STORE__IMAGES"].startswith("file://")
    monkeypatch.setenv("GANTRY_STORE__IMAGES", "s3://pictures/essex")
    told = store_in(tmp_path)
    assert told.environment["GANTRY_STORE__IMAGES"] == "s3://pictures/essex"


def test_what_is_taken_and_what_is_ignored_is_listed(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    images = {"GANTRY_STORE__IMAGES": "s3://pictures"}
    store = replace(store, environment={**store.environment, **images})
    environ = {**images, "GANTRY_DATABASE__HOST": "db.example", "GANTRY_STORE__RETENTION_DAYS": "3"}
    assert told_of(environ, [store]) == [
        "taken from the environment instead of the suite's own values: GANTRY_STORE__IMAGES",
        "ignored in the environment, because the suite sets them: GANTRY_DATABASE__HOST",
    ]


def test_nothing_is_said_of_what_nobody_set(tmp_path: Path) -> None:
    assert told_of({"HOME": "/root", "GANTRY_DATABASE__HOST": ""}, [store_in(tmp_path)]) == []
