"""The command as people type it, without a suite."""

import asyncio
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli.exits import Exit
from cli.lazy import LazyVerb, loaded
from cli.main import app
from suite.certificates import Authority

runner = CliRunner()
LOOK = ["--purpose", "a test of the command"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with two people's certificates and no running suite."""
    authority = Authority(tmp_path / "pki")
    authority.issue_person("operator", ["essex", "kent"])
    authority.issue_person("ana", ["kent"])
    return tmp_path


VERBS = [
    ["status"],
    ["search", "AB12CDE", *LOOK],
    ["trace", "r1", *LOOK],
    ["camera", "list"],
    ["camera", "enrol", "C1", "--feed", "f", "--force", "essex"],
    ["hotlist", "list"],
    ["alerts", "watch", *LOOK],
    ["alerts", "ack", "1", "--force", "kent", *LOOK],
    ["audit", "list"],
    ["audit", "verify"],
    ["alerts", "list", *LOOK],
    ["alerts", "show", "1", "--force", "kent", *LOOK],
    ["force", "list"],
    ["force", "add", "kent"],
    ["force", "change", "kent", "--usual-words", *LOOK],
    ["force", "retire", "kent", *LOOK],
    ["bridge", "destination", "list"],
    ["bridge", "destination", "add", "nas", "--adapter", "nas", "--force", "kent", *LOOK],
    ["bridge", "destination", "pause", "nas", "--force", "kent", *LOOK],
    ["bridge", "destination", "resume", "nas", "--force", "kent", *LOOK],
    ["bridge", "destination", "retire", "nas", "--force", "kent", *LOOK],
]


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_without_a_suite_one_sentence_says_what_to_do(words: list[str], home: Path, tmp_path: Path) -> None:
    for folder in (home, tmp_path / "nothing here"):
        done = runner.invoke(app, [*words, "--home", str(folder)])
        assert done.exit_code == Exit.UNREACHABLE
        assert "gantry up" in done.stderr
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_verb_answers_errors_in_json_too(words: list[str], home: Path) -> None:
    done = runner.invoke(app, [*words, "--home", str(home), "--json"])
    assert json.loads(done.stderr)["exit_code"] == Exit.UNREACHABLE


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["search", "AB12CDE"], Exit.USAGE, "--purpose"),
        (["audit", "list", "--as", "bob"], Exit.NOT_FOUND, "--as knows ana, operator"),
        (["audit", "list", "--as", "ana", "--force", "essex"], Exit.REFUSED, "ana may not work for 'essex'"),
        (["alerts", "ack", "1", *LOOK], Exit.USAGE, "--force essex or --force kent"),
        (["search", "A1", "--from", "noon", *LOOK], Exit.USAGE, "--from noon: say a time such as"),
        (
            ["search", "A1", "--from", "2026-03-02", "--to", "2026-03-01", *LOOK],
            Exit.USAGE,
            "--from 2026-03-02 is not before --to 2026-03-01",
        ),
        (["search", "A1", "--purpose", " x "], Exit.USAGE, "say why you look, in 3 to 500 characters"),
        (
            ["trace", "r1", *LOOK, "--reference", "x" * 101],
            Exit.USAGE,
            "--reference has at most 100 characters",
        ),
        (["replay", "absent.csv"], Exit.USAGE, "cannot read absent.csv"),
        (["up", "--purpose", ""], Exit.USAGE, "say why you look"),
        (["replay", "absent.csv", "--speed", "0"], Exit.USAGE, "--speed 0: say a number above 0, or max"),
        (["camera", "enrol", "--feed", "f"], Exit.USAGE, "name the cameras"),
        (["hotlist", "import", "absent.csv", *LOOK], Exit.USAGE, "there is no file absent.csv"),
    ],
)
def test_a_wrong_command_line_is_explained(words: list[str], code: Exit, said: str, home: Path) -> None:
    done = runner.invoke(app, [*words, "--home", str(home)])
    assert done.exit_code == code
    assert said in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["search", "AB12CDE", "--json"], "--purpose"),
        (["search", "A1", "--limit", "0", "--json", *LOOK], "--limit"),
        (["alerts", "watch", "--json", "--frob"], "--frob"),
        (["alerts", "frob", "--json"], "frob"),
        (["frob", "--json"], "frob"),
    ],
)
def test_a_wrong_command_line_is_an_error_in_json_too(words: list[str], said: str) -> None:
    done = runner.invoke(app, words)
    answer = json.loads(done.stderr)
    assert (done.exit_code, answer["exit_code"], done.stdout) == (Exit.USAGE, Exit.USAGE, "")
    assert said in answer["error"]
    assert "Usage:" in runner.invoke(app, [word for word in words if word != "--json"]).stderr


def test_help_of_every_verb_names_its_options() -> None:
    for path, _ in _verbs(get_command(app)):
        shown = runner.invoke(app, [*path, "--help"], terminal_width=200)
        assert shown.exit_code == 0
        for option in ("--home", "--as", "--json", "--debug"):
            assert option in shown.stdout
    assert "Exit codes" in runner.invoke(app, ["--help"]).stdout


def _verbs(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], LazyVerb]]:
    """All verbs of the command with the words that lead to them."""
    for name, command in group.commands.items():
        if isinstance(command, LazyVerb):
            yield (*path, name), command
        else:
            yield from _verbs(command, *path, name)


def test_a_list_of_verbs_says_of_each_what_the_verb_says_of_itself() -> None:
    for path, verb in _verbs(get_command(app)):
        told = inspect.getdoc(loaded(verb.place))
        assert told is not None
        assert " ".join(told.split()).startswith(str(verb.help)), path


def test_the_command_starts_without_what_it_may_not_need() -> None:
    code = (
        "import sys, cli.main; print(sorted({'grpc','rich','numpy','asyncio','google'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("words", [["--help"], ["status"], ["search", "A1", *LOOK]], ids=" ".join)
def test_a_verb_loads_only_what_it_needs(words: list[str], home: Path) -> None:
    """Without what services alone need, and without the suite: each would take as long as the answer."""
    code = (
        "import sys\nfrom cli.main import app\ntry: app()\nexcept SystemExit: pass\n"
        "heavy = {'opentelemetry', 'google.protobuf.text_format', 'asyncpg', 'pydantic_settings', "
        "'simulators', 'suite.suite'}\n"
        "print('loaded', sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    folder = [] if words == ["--help"] else ["--home", str(home)]
    command = [sys.executable, "-c", code, *words, *folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "loaded []"


def test_access_needs_no_suite_and_names_every_rpc(tmp_path: Path) -> None:
    done = runner.invoke(app, ["access", "--json", "--home", str(tmp_path / "nowhere")])
    rows = {row["rpc"]: row for row in json.loads(done.stdout)["access"]}
    assert done.exit_code == Exit.OK
    assert rows["gantry.store.v1.SearchService/SearchReads"] == {
        "rpc": "gantry.store.v1.SearchService/SearchReads",
        "callers": ["person"],
        "permission": "reads.search",
        "force": "forces",
        "purpose": "purpose",
        "audit": "SEARCH_READS",
        "audit_fields": ["vrm"],
    }
    shown = runner.invoke(app, ["access"]).stdout
    assert all(rpc in shown for rpc in rows)
    assert all(row["callers"] for row in rows.values())


@pytest.mark.parametrize("forces", ["", "essex,", "Essex", "essex;kent", "-x"])
def test_up_refuses_what_is_no_code_of_a_force_before_it_starts(forces: str, tmp_path: Path) -> None:
    done = runner.invoke(app, ["up", "--forces", forces, "--home", str(tmp_path / "home")])
    assert done.exit_code == Exit.USAGE
    assert "such as essex,kent" in done.output
    assert not (tmp_path / "home").exists()


def test_ctrl_c_in_the_first_pass_of_a_replay_ends_it_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        # In an event loop the signal would only be seen at the end of the pass.
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.commands.replay.scan", interrupted)
    path = tmp_path / "reads.csv"
    path.write_text("force,camera_id,captured_at,vrm\n")
    assert runner.invoke(app, ["replay", str(path)]).exit_code == Exit.INTERRUPTED
