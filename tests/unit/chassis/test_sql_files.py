"""SQL files and migration files are found, checked and named."""

from __future__ import annotations

import asyncio
import sys

import pytest

from chassis.database import finished, statements
from chassis.errors import StartupFailure
from chassis.migrations import migrations_of, recorded, schema_of


@pytest.fixture
def package(tmp_path, monkeypatch, request):
    name = f"room_{abs(hash(request.node.name))}"
    folder = tmp_path / name
    for part in ("sql", "migrations"):
        (folder / part).mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield name, folder
    sys.modules.pop(name, None)


def test_a_statement_is_found_by_its_file(package):
    name, folder = package
    (folder / "sql" / "append_reads.sql").write_text("-- Append.\nselect 1\n")
    (folder / "sql" / "notes.txt").write_text("no statement")
    found = statements(name)
    assert found["append_reads"] == found.append_reads == "-- Append.\nselect 1\n"
    assert list(found) == ["append_reads"]
    assert statements(name) is found
    with pytest.raises(KeyError, match=r"has no sql/missing\.sql"):
        found["missing"]
    with pytest.raises(AttributeError, match=r"has no sql/missing\.sql"):
        _ = found.missing


def test_a_statement_without_a_purpose_is_refused(package):
    name, folder = package
    (folder / "sql" / "bare.sql").write_text("select 1")
    with pytest.raises(ValueError, match="should begin with a comment"):
        statements(name)


def test_migrations_come_in_order(package):
    name, folder = package
    for file in ("0002_more.sql", "0001_first.sql", "0010_last.sql"):
        (folder / "migrations" / file).write_text("select 1")
    assert [each.name for each in migrations_of(name)] == ["0001_first.sql", "0002_more.sql", "0010_last.sql"]


@pytest.mark.parametrize("files", [["1_first.sql"], ["0001_First.sql"], ["0001_a.sql", "0001_b.sql"]])
def test_a_misnamed_migration_is_a_sentence(package, files):
    name, folder = package
    for file in files:
        (folder / "migrations" / file).write_text("select 1")
    with pytest.raises(StartupFailure, match=r"should be NNNN_name\.sql"):
        migrations_of(name)


def test_a_schema_is_the_last_packages_last_part():
    assert schema_of(("chassis", "services.nas_bridge")) == "nas_bridge"


def test_shared_migrations_come_first_and_are_recorded_with_their_package(package):
    name, folder = package
    (folder / "migrations" / "0001_own.sql").write_text("select 1")
    names = [migration.name for migration in recorded(("chassis", name))]
    assert names == [*(f"chassis/{each.name}" for each in migrations_of("chassis")), "0001_own.sql"]


async def test_work_is_finished_though_its_caller_is_cancelled():
    begun, go, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def commit() -> None:
        begun.set()
        await go.wait()
        done.set()

    caller = asyncio.create_task(finished(commit()))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go.set()
    await asyncio.wait_for(done.wait(), 5)
