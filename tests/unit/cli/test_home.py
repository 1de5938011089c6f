"""A suite's folder: who is in it, where things answer, and what the demo may delete."""

import json
from pathlib import Path

import pytest

from cli.demo.fresh import make_fresh
from cli.exits import CliError, Exit
from cli.home import SuiteHome
from suite.certificates import Authority
from suite.errors import SuiteError
from suite.layout import Layout
from suite.lock import FolderLock


@pytest.fixture
def home(tmp_path: Path) -> SuiteHome:
    authority = Authority(tmp_path / "pki")
    authority.issue_person("ana", ["kent"])
    authority.issue_person("operator", ["kent", "essex"])
    (tmp_path / "run").mkdir()
    return SuiteHome(tmp_path)


def test_the_person_with_the_most_forces_is_the_default(home: SuiteHome) -> None:
    assert home.person(None).name == "operator"
    assert home.person(None).forces == ("essex", "kent")
    assert home.person("ana").chosen([]) == ("kent",)
    assert home.person(None).chosen(["kent", "kent"]) == ("kent",)
    with pytest.raises(CliError, match="ana may not work for 'essex'") as caught:
        home.person("ana").chosen(["essex"])
    assert caught.value.code == Exit.REFUSED


def test_addresses_come_from_what_processes_wrote(home: SuiteHome) -> None:
    run = home.folder / "run"
    (run / "store.json").write_text(json.dumps({"grpc": 7001}))
    (run / "ingest.json").write_text(
        json.dumps({"public": "gantry.example:7443", "name": "ingest.gantry.svc"})
    )
    (run / "match.pid").write_text("12\n")
    assert home.address("store") == "127.0.0.1:7001"
    assert home.address("ingest", "public") == "gantry.example:7443"
    assert (home.certified_name("store"), home.certified_name("ingest")) == (None, "ingest.gantry.svc")
    assert home.processes() == ["ingest", "match", "store"]
    assert (home.pid("match"), home.pid("store")) == (12, None)
    with pytest.raises(CliError, match="match is not running") as caught:
        home.address("match")
    assert caught.value.code == Exit.UNREACHABLE
    (run / "store.json").write_text("{")
    with pytest.raises(CliError, match="is damaged"):
        home.address("store")


def test_a_demo_deletes_only_what_a_suite_made(tmp_path: Path) -> None:
    make_fresh(tmp_path / "absent")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(CliError, match="no suite made it"):
        make_fresh(mine)
    assert (mine / "thesis.txt").exists()
    earlier = Layout(tmp_path / "demo")
    earlier.make()
    earlier.state.write_text("{}")
    make_fresh(earlier.folder)
    assert not earlier.folder.exists()


def test_a_demo_leaves_a_running_suite_alone(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "demo")
    layout.make()
    layout.state.write_text("{}")
    lock = FolderLock(layout.lock)
    lock.take()
    with pytest.raises(SuiteError, match="in use by another running suite"):
        make_fresh(layout.folder)
    lock.release()
    assert layout.state.exists()


def test_a_folder_of_another_user_is_not_said_to_be_without_a_suite(
    home: SuiteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(folder: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(PermissionError):
        home.processes()
    with pytest.raises(PermissionError):
        home.people()
    monkeypatch.undo()
    assert SuiteHome(home.folder / "nowhere").processes() == []
    assert SuiteHome(home.folder / "pki" / "ca.pem").people() == []
