"""Text from outside never reaches a terminal raw, whichever verb shows it and whichever field holds it."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gantry.bridge.v1.bridge_pb2 import GetReceiptResponse
from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_SEARCH_READS
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.ingest.v1.cameras_pb2 import Camera
from gantry.match.v1.alert_pb2 import Acknowledgement
from gantry.store.v1.audit_pb2 import AuditRecord
from gantry.store.v1.forces_pb2 import FORCE_STATE_ACTIVE, Force
from typer.main import get_command
from typer.testing import CliRunner, Result

from cli.exits import Exit
from cli.lazy import LazyVerb
from cli.live import LiveConsole
from cli.main import app
from cli.panel.draw import draw
from cli.panel.state import AlertLine, DestinationState, ForceState, ProcessState, SuiteState
from tests.unit.cli.fake_suite import LOOK, NOON, World, alert, stored

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202etxt.exe\u2066\u200b[red]x[/red][/]:skull:\rA\nB\x00\x7f"
FILES = ("--password-file", "{reads}", "--roles", "{evil}")
SUPERUSER = ("--user-file", "{list}", "--password-file", "{reads}")
WORDS: dict[tuple[str, ...], list[tuple[str, ...]]] = {
    ("status",): [("status",)],
    ("search",): [("search", "AB12CDE", *LOOK)],
    ("image",): [("image", "r1", *LOOK), ("image", EVIL, *LOOK), ("image", "r1", "--out", "{evil}", *LOOK)],
    ("trace",): [("trace", "r1", *LOOK), ("trace", EVIL, *LOOK)],
    ("camera", "list"): [("camera", "list")],
    ("camera", "enrol"): [
        ("camera", "enrol", EVIL, "--feed", EVIL, "--force", "essex"),
        ("camera", "enrol", "--file", "{evil}", "--feed", "f", "--force", "essex"),
    ],
    ("hotlist", "import"): [
        ("hotlist", "import", "{list}", "--name", EVIL, "--force", "essex", *LOOK),
        ("hotlist", "import", EVIL.replace("\0", ""), *LOOK),
    ],
    ("hotlist", "list"): [("hotlist", "list")],
    ("alerts", "watch"): [("alerts", "watch", "--earliest", "--once", *LOOK)],
    ("alerts", "list"): [("alerts", "list", *LOOK)],
    ("alerts", "show"): [("alerts", "show", "1", "--force", "essex", *LOOK)],
    ("alerts", "ack"): [("alerts", "ack", "1", "--force", "essex", "--note", EVIL, *LOOK)],
    ("force", "add"): [("force", "add", EVIL), ("force", "add", "essex", "--name", EVIL)],
    ("force", "list"): [("force", "list", "--retired")],
    ("force", "change"): [
        ("force", "change", "essex", "--area", EVIL, *LOOK),
        ("force", "change", "essex", "--not-read-word", EVIL, *LOOK),
        ("force", "change", EVIL, "--usual-words", *LOOK),
    ],
    ("force", "retire"): [("force", "retire", "essex", *LOOK)],
    ("audit", "list"): [("audit", "list")],
    ("audit", "verify"): [("audit", "verify")],
    ("bridge", "destination", "list"): [("bridge", "destination", "list")],
    ("bridge", "destination", "add"): [
        ("bridge", "destination", "add", EVIL, "--adapter", EVIL, "--force", "essex", *LOOK),
        ("bridge", "destination", "add", "n", "--adapter", "n", "--option", EVIL, "--force", "essex", *LOOK),
    ],
    **{
        ("bridge", "destination", change): [
            ("bridge", "destination", change, EVIL, "--force", "essex", *LOOK)
        ]
        for change in ("pause", "resume", "retire")
    },
    ("replay",): [
        ("replay", "{reads}", "--speed", "max", "--enrol", "--feed", "gw"),
        ("replay", "{headers}"),
        ("replay", "{evil}"),
        ("replay", "{reads}", "--map", EVIL),
        ("replay", "{reads}", "--start", EVIL),
    ],
    ("database", "prepare"): [
        ("database", "prepare", "--host", EVIL, *FILES, "--user-file", "{list}"),
        ("database", "prepare", "--host", "localhost", *FILES, "--user-file", "{evil}"),
        (
            "database",
            "prepare",
            "--host",
            "localhost",
            *FILES,
            "--user-file",
            "{list}",
            "--authority",
            "{evil}",
        ),
    ],
    ("database", "standing"): [
        ("database", "standing", "--host", EVIL, *SUPERUSER, "--to", "{evil}"),
        ("database", "standing", "--host", "localhost", *SUPERUSER, "--authority", "{evil}", "--to", "x"),
    ],
    ("database", "restored"): [
        ("database", "restored", "--host", EVIL, *SUPERUSER, "--newest"),
        ("database", "restored", "--host", "localhost", *SUPERUSER, "--standing", "{evil}"),
    ],
    ("certificate", "service"): [
        ("certificate", "service", EVIL),
        ("certificate", "service", "store", "--dns", EVIL),
        ("certificate", "service", "store", "--ip", EVIL),
    ],
    ("certificate", "person"): [
        ("certificate", "person", EVIL, "--force", "essex"),
        ("certificate", "person", "ana", "--force", EVIL),
    ],
    ("backup", "key"): [("backup", "key", "{evil}")],
    ("backup", "create"): [("backup", "create", EVIL)],
    ("backup", "list"): [("backup", "list", "--archive", "{evil}")],
    ("backup", "verify"): [("backup", "verify", "--archive", "{evil}", "--identity", "{list}")],
    ("backup", "prune"): [("backup", "prune", EVIL)],
    ("backup", "take-over"): [("backup", "take-over", "--archive", "{evil}")],
    ("restore",): [
        ("restore", "--archive", "{evil}", "--identity", "{list}"),
        ("restore", "--archive", "{evil}", "--identity", "{evil}"),
        ("restore", "--archive", "{evil}", "--identity", "{list}", "--at", EVIL),
    ],
    ("drill",): [("drill", "--lose", EVIL)],
    ("access",): [("access",)],
    ("up",): [("up", EVIL)],
    ("demo",): [("demo", EVIL)],
}
"""By verb: command lines in which hostile text comes from each side. Nothing is started."""


def _verbs(group: Any, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, LazyVerb):
            yield (*path, name)
        else:
            yield from _verbs(command, *path, name)


def test_every_verb_is_tried() -> None:
    assert set(_verbs(get_command(app))) == set(WORDS)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Files that hold hostile text, and the name of none."""
    row = EVIL.replace("\n", "").replace("\r", "")
    texts = {
        "list": f"vrm,reason,{row}\nAB12CDE,{row},\n",
        "reads": f"force,camera_id,captured_at,vrm,{row}\nessex,{row},0,{row},\nessex,C1,{row},A1,\n{row}\n",
        "headers": f"{row},{row}2\n1,2\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, newline="")
    evil = EVIL.replace("\0", "").replace("/", "")
    return {name: str(tmp_path / name) for name in texts} | {"evil": str(tmp_path / f"nowhere {evil}" / "x")}


@pytest.fixture
def hostile(world: World) -> World:
    """Services whose every text is hostile."""
    read = stored("AB12CDE", "r1", 7)
    read.read.camera_id = EVIL
    for field in ("vehicle_make", "vehicle_model", "vehicle_colour", "plate_country"):
        setattr(read.read.details, field, EVIL)
    other = stored("AB12CDE", EVIL, 8)
    world.reads = [read, other]
    raised = alert(1, "AB12CDE")
    raised.read.CopyFrom(read.read)
    for field in ("hotlist", "entry_vrm", "reason", "instruction", "camera_name"):
        setattr(raised, field, EVIL)
    raised.markers.append(EVIL)
    raised.entries.add(reason=EVIL, markers=[EVIL], instruction=EVIL).vehicle.make = EVIL
    world.alerts = [raised]
    world.acknowledgements["1"] = Acknowledgement(person=EVIL, note=EVIL, at=NOON)
    raised.acknowledgement.CopyFrom(world.acknowledgements["1"])
    world.cameras = {EVIL: Camera(camera_id=EVIL, name=EVIL, feed=EVIL)}
    world.forces = {"essex": Force(code="essex", name=EVIL, state=FORCE_STATE_ACTIVE, created_at=NOON)}
    world.forces["essex"].settings.not_read_words.words.append(EVIL)
    world.audit = [
        AuditRecord(
            number=1,
            recorded_at=NOON,
            person=EVIL,
            action=AUDIT_ACTION_SEARCH_READS,
            subject=EVIL,
            purpose=Purpose(justification=EVIL, reference=EVIL),
        )
    ]
    world.receipts["nas"] = GetReceiptResponse(receipt_id=EVIL, received_at=NOON)
    world.destination_changes = [
        lambda nas: setattr(nas, "last_error", EVIL),
        lambda nas: setattr(nas, "stopped_reason", EVIL),
        lambda nas: setattr(nas.settings, "adapter", EVIL),
        lambda nas: nas.settings.options.update({EVIL: EVIL}),
    ]
    world.hotlist_text = EVIL
    return world


Typed = Callable[[tuple[str, ...]], Result]


@pytest.fixture
def typed(tmp_path: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Typed:
    monkeypatch.chdir(tmp_path)

    def run(words: tuple[str, ...]) -> Result:
        given = [files.get(word.strip("{}"), word) if word.startswith("{") else word for word in words]
        home = [] if words[0] == "access" else ["--home", str(tmp_path)]
        return CliRunner().invoke(app, [*given, *home])

    return run


@pytest.mark.parametrize("words", [words for tried in WORDS.values() for words in tried], ids=repr)
def test_no_verb_shows_hostile_text_raw(hostile: World, typed: Typed, words: tuple[str, ...]) -> None:
    for extra in ((), ("--json",), ("--debug",)):
        done = typed((*words, *extra))
        assert done.output, words
        _check(done)


@pytest.mark.parametrize(
    "words", [words for tried in WORDS.values() for words in tried[:1]], ids=lambda words: " ".join(words[:3])
)
def test_no_error_of_a_service_is_shown_raw(world: World, typed: Typed, words: tuple[str, ...]) -> None:
    world.refuse_all = EVIL
    _check(typed(words))


@pytest.mark.parametrize(
    "words", [[EVIL], [f"--{EVIL}"], ["search", f"--{EVIL}"], ["camera", EVIL]], ids=repr
)
def test_no_error_in_the_command_line_is_shown_raw(words: list[str]) -> None:
    for extra in ([], ["--json"]):
        done = CliRunner().invoke(app, [*words, *extra])
        assert done.exit_code == Exit.USAGE
        _check(done)


def test_the_panel_and_status_draw_hostile_text_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    destination = DestinationState(EVIL, EVIL, delivered=1, lag=1, dead_letters=0)
    state = SuiteState(
        processes=[ProcessState(EVIL, EVIL, None)],
        forces=[ForceState(EVIL, destinations=[destination]), ForceState("kent", missing={"match": EVIL})],
        alerts=[AlertLine("12:00:00", EVIL, EVIL, near=True, camera_id=EVIL, reason=EVIL, milliseconds=1.0)],
    )
    LiveConsole(width=200).print(draw(state, EVIL, EVIL))
    _check_text(capsys.readouterr().out)


def test_json_says_the_same_as_before(hostile: World, typed: Typed) -> None:
    told = json.loads(typed(("search", "AB12CDE", *LOOK, "--json")).stdout)
    assert told["reads"][0]["camera_id"] == EVIL


def _check(done: Result) -> None:
    assert not isinstance(done.exception, AssertionError | TypeError | ValueError), done.exception
    _check_text(done.output)


def _check_text(text: str) -> None:
    raw = {letter for letter in text if not letter.isprintable()} - {"\n"}
    assert raw == set(), f"{raw} in {text!r}"
    assert "\nB" not in text, "a line break of theirs began a line of ours"
    text.encode(sys.stdout.encoding or "utf-8")
