"""The command beside servers that answer what a test puts into them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.exits import Exit
from cli.main import app
from tests.unit.cli.fake_suite import Command, World, fake_suite


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with fake_suite(tmp_path) as world:
        yield world


@pytest.fixture
def gantry(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Command:
    # No read arrives between the two looks of `status`, however long it waits.
    monkeypatch.setattr("cli.commands.status._BETWEEN_LOOKS_SECONDS", 0.05)

    def run(*words: str, code: Exit = Exit.OK) -> Result:
        done = CliRunner().invoke(app, [*words, "--home", str(tmp_path)])
        assert done.exit_code == code, done.output
        return done

    return run
