"""Each verb against servers that answer: what people see, what scripts get, what the service was told."""

import json
import threading
from pathlib import Path

import pytest
from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_SEARCH_READS, AUDIT_ACTION_VIEW_IMAGE
from gantry.ingest.v1.cameras_pb2 import Camera
from gantry.match.v1.alert_pb2 import Acknowledgement, Alert
from gantry.store.v1.audit_pb2 import AuditRecord
from gantry.store.v1.search_pb2 import IMAGE_KIND_PLATE_PATCH, ImageKind

from cli import patience
from cli.commands import alerts
from cli.exits import Exit
from suite.steps import Phase, Steps
from tests.unit.cli.fake_suite import LOOK, NOON, Command, World, alert, lines_of, stored


def test_search_shows_pages_as_one_and_tells_the_purpose(gantry: Command, world: World) -> None:
    world.reads = [stored("AB12CDE", f"r{number}", number) for number in range(2500)]
    answer = lines_of(gantry("search", "ab12 cde", *LOOK, "--limit", "2000", "--json"))[0]
    assert len(answer["reads"]) == 2000
    assert answer["more"] is True
    first = answer["reads"][0]
    assert (first["vrm"], first["force"], first["captured_at"]) == (
        "AB12CDE",
        "essex",
        "2025-03-01T12:00:00Z",
    )
    assert set(world.purposes) == {"Burglary at Mill Lane"}
    shown = gantry("search", "AB12CDE", *LOOK, "--limit", "2")
    assert "r0" in shown.stdout
    assert "51.50000 0.50000" in shown.stdout
    assert "the newest 2 are shown" in shown.stderr


@pytest.mark.parametrize(("name", "code"), [("store", Exit.OK), ("store.elsewhere", Exit.UNREACHABLE)])
def test_a_service_may_be_certified_by_another_name_than_its_address(
    gantry: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: Exit
) -> None:
    monkeypatch.setattr(patience, "SECONDS", 1.0)
    file = tmp_path / "run" / "store.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"name": name}))
    gantry("search", "AB12CDE", *LOOK, code=code)


@pytest.mark.parametrize("written", ["xx99 xxx", "XX99 XXX (GB)", "XX99XXX-GBR"])
def test_a_search_that_finds_nothing_is_an_answer(gantry: Command, written: str) -> None:
    said = gantry("search", written, *LOOK).stderr
    assert said.startswith("no read of this plate in the buffer: XX99XXX, of essex")
    assert lines_of(gantry("search", "XX99XXX", *LOOK, "--json")) == [{"reads": [], "more": False}]


@pytest.mark.parametrize("words", ["unknown", "no plate", "XXXXXXX"])
def test_a_word_for_a_plate_that_was_not_read_is_said_to_be_rejected(gantry: Command, words: str) -> None:
    said = gantry("search", words, *LOOK).stderr
    assert "stands for a plate that was not read: such reads are rejected and not kept" in said
    assert "stands for" not in gantry("search", "NK12XYZ", *LOOK).stderr


def test_watching_once_ends_when_caught_up_and_gives_numbers(gantry: Command, world: World) -> None:
    world.alerts = [alert(1, "AB12CDE"), alert(2, "XY34FGH")]
    events = lines_of(gantry("alerts", "watch", "--earliest", "--once", *LOOK, "--json"))
    assert [(one["event"], one["alert_id"], one["number"]) for one in events] == [
        ("alert", "1", 1),
        ("alert", "2", 2),
    ]
    shown = gantry("alerts", "watch", "--earliest", "--once", *LOOK)
    assert "AB12CDE" in shown.stdout
    assert "ARMED" in shown.stdout
    assert "--force essex --after 2" in shown.stderr
    later = lines_of(gantry("alerts", "watch", "--once", "--force", "essex", "--after", "1", *LOOK, "--json"))
    assert [one["alert_id"] for one in later] == ["2"]


def test_a_watch_goes_on_where_a_restart_cut_it(gantry: Command, world: World) -> None:
    world.alerts, world.drop_first_subscription = [alert(1, "AB12CDE"), alert(2, "XY34FGH")], True
    words = ("alerts", "watch", "--earliest", "--once", "--force", "essex", *LOOK, "--json")
    assert [one["alert_id"] for one in lines_of(gantry(*words))] == ["1", "2"]
    assert [one.after_number for one in world.subscriptions] == [0, 1]


def test_a_number_counts_the_events_of_one_force(gantry: Command) -> None:
    assert (
        "say which with --force" in gantry("alerts", "watch", "--after", "1", *LOOK, code=Exit.USAGE).stderr
    )


def test_a_watch_that_has_nothing_to_show_says_so(gantry: Command) -> None:
    words = ("alerts", "watch", "--once", "--force", "essex", *LOOK)
    assert "no new alerts; --earliest shows those before" in gantry(*words).stderr
    assert "no alerts" in gantry(*words, "--earliest").stderr


def test_acknowledging(gantry: Command) -> None:
    words = ("alerts", "ack", "17", "--force", "essex", "--note", "unit sent", *LOOK)
    assert "alert 17 taken in hand by you" in gantry(*words).stderr
    assert lines_of(gantry(*words, "--json"))[0]["note"] == "unit sent"
    assert lines_of(gantry(*words, "--json"))[0]["already"] is False, "a try whose answer was lost is ours"
    gantry("alerts", "ack", "unknown", "--force", "essex", *LOOK, code=Exit.NOT_FOUND)


def test_an_alert_in_hand_already_says_whose_it_is(gantry: Command, world: World) -> None:
    world.acknowledgements["17"] = Acknowledgement(person="ana", at=NOON, note="unit sent")
    words = ("alerts", "ack", "17", "--force", "essex", "--note", "mine", *LOOK)
    said = gantry(*words, code=Exit.ALREADY).stderr
    assert "in hand already: taken by ana at 2025-03-01 12:00:00, who said: unit sent" in said
    assert "your note was not kept" in said
    answer = lines_of(gantry(*words, "--json", code=Exit.ALREADY))[0]
    assert (answer["person"], answer["note"], answer["already"]) == ("ana", "unit sent", True)


def test_an_own_note_comes_too_late_as_well(gantry: Command) -> None:
    words = ("alerts", "ack", "17", "--force", "essex", *LOOK)
    gantry(*words)
    said = gantry(*words, "--note", "they went north", code=Exit.ALREADY).stderr
    assert "taken by you" in said
    assert "your note was not kept" in said


RESTARTED = [
    ("store", ("search", "AB12CDE", *LOOK)),
    ("match", ("alerts", "watch", "--once", *LOOK)),
    ("match", ("hotlist", "list")),
    ("ingest", ("camera", "list")),
]


@pytest.mark.parametrize(("service", "words"), RESTARTED, ids=lambda value: " ".join(value)[:12])
def test_a_service_that_restarts_is_waited_for(
    gantry: Command, tmp_path: Path, service: str, words: tuple[str, ...]
) -> None:
    ports = tmp_path / "run" / f"{service}.json"
    ports.with_suffix(".pid").write_text("1\n")
    away = ports.rename(tmp_path / "away")
    back = threading.Timer(0.5, away.rename, (ports,))
    back.start()
    said = gantry(*words).stderr
    back.join()
    assert said.count(f"{service} is not answering, trying for 10 s") == 1


def test_an_answer_that_takes_long_is_not_waited_for_in_silence(
    gantry: Command, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.slow.clear()
    said = threading.Timer(0.5, world.slow.set)
    monkeypatch.setattr(patience, "USUAL_SECONDS", 0.1)
    said.start()
    assert "store is slow to answer" in gantry("search", "AB12CDE", *LOOK).stderr
    said.join()
    assert "slow" not in gantry("search", "AB12CDE", *LOOK).stderr


def test_greenwich_is_a_place(gantry: Command, world: World) -> None:
    words = ("camera", "enrol", "C1", "--feed", "gw", "--force", "essex", "--lat", "51.48")
    gantry(*words, "--lon", "0")
    assert world.cameras["C1"].HasField("position")
    assert "lat and lon are both needed" in gantry(*words, code=Exit.USAGE).stderr


def test_scripts_get_no_remark_about_waiting(gantry: Command, tmp_path: Path) -> None:
    ports = tmp_path / "run" / "store.json"
    away = ports.rename(tmp_path / "away")
    back = threading.Timer(0.5, away.rename, (ports,))
    back.start()
    assert gantry("search", "AB12CDE", *LOOK, "--json").stderr == ""
    back.join()


def test_a_new_token_says_nothing_else_of_the_camera(gantry: Command, world: World) -> None:
    words = ("camera", "enrol", "C1", "--feed", "gw", "--force", "essex")
    assert "1 camera of essex enrolled on gw" in gantry(*words, "--name", "A12 J19", "--kind", "fixed").stderr
    gantry(*words, "--new-token")
    assert world.cameras["C1"] == Camera(camera_id="C1", feed="gw", enabled=True)


def test_a_camera_that_cannot_be_enrolled_is_named(gantry: Command, world: World, tmp_path: Path) -> None:
    path = tmp_path / "cameras.csv"
    path.write_text("camera_id,lat,lon\nC1,51,0\nC2,89,0\n")
    world.refuse_camera = "C2", "position.latitude", "should be -90 to 90 degrees"
    words = ("camera", "enrol", "--file", str(path), "--feed", "gw", "--force", "essex")
    said = gantry(*words, code=Exit.USAGE).stderr
    assert "camera 'C2', lat: should be -90 to 90 degrees" in said
    assert "cameras[" not in said


def test_importing_a_hotlist_names_bad_lines(gantry: Command, world: World, tmp_path: Path) -> None:
    path = tmp_path / "stolen.csv"
    path.write_text("vrm,reason\nAB12CDE,Stolen\n,x\n" + "A1,y\n" * 100_000)
    said = gantry("hotlist", "import", str(path), "--force", "kent", *LOOK).stderr
    assert "hotlist stolen of kent: 2 entries active, version 1" in said
    assert "line 3, vrm: is empty" in said
    assert world.imported == path.read_bytes()
    assert (world.header.force, world.header.near_matches) == ("kent", True)
    assert world.header.purpose.reference == "OP 12/25"
    assert lines_of(gantry("hotlist", "list", "--json"))[0]["hotlists"][0]["name"] == "stolen"


def test_a_broken_hotlist_ends_with_an_error_and_its_first_bad_lines(
    gantry: Command, world: World, tmp_path: Path
) -> None:
    path = tmp_path / "stolen.csv"
    path.write_text("vrm,reason\nAB12CDE,broken\n,x\n")
    said = gantry("hotlist", "import", str(path), "--force", "kent", *LOOK, code=Exit.USAGE).stderr
    assert "gantry: 2 of 3 lines cannot be used" in said
    assert "line 3, vrm: is empty\n  line 4: is not UTF-8" in said
    assert "--allow-broken" in said
    allowed = ("--allow-broken", "70", "--allow-empty")
    gantry("hotlist", "import", str(path), "--force", "kent", *LOOK, *allowed)
    assert (world.header.max_rejected_percent, world.header.allow_empty) == (70, True)


def test_enrolling_shows_the_token_once(gantry: Command, tmp_path: Path) -> None:
    path = tmp_path / "cameras.csv"
    path.write_text("camera_id,name,kind,lat,lon\nC1,A12 J19,fixed,51.7,0.5\nC2,Unit 2,mobile,,\n")
    done = gantry("camera", "enrol", "--file", str(path), "--feed", "gw", "--force", "essex", "--keep-token")
    assert done.stdout == "gf_gw\n"
    assert "2 cameras of essex enrolled on gw" in done.stderr
    cameras = lines_of(gantry("camera", "list", "--force", "essex", "--json"))[0]["cameras"]
    assert [(one["camera_id"], one["kind"], one["lat"]) for one in cameras] == [
        ("C1", "fixed", 51.7),
        ("C2", "mobile", None),
    ]
    assert "A12 J19" in gantry("camera", "list").stdout


def test_status_tells_what_a_destination_says_and_since_when(gantry: Command, world: World) -> None:
    world.refused_since = NOON
    since = "2025-03-01T12:00:00Z"
    said = gantry("status", code=Exit.FAILED).stderr
    assert f"essex, nas: NAS answered PERMISSION_DENIED (since {since})" in said
    state = lines_of(gantry("status", "--json", code=Exit.FAILED))[0]
    assert [one["failing_since"] for one in state["forces"][0]["destinations"]] == [None, since]


def test_status_tells_lag_and_what_is_not_well(gantry: Command) -> None:
    state = lines_of(gantry("status", "--json"))[0]
    assert [one["name"] for one in state["processes"]] == ["ingest", "match", "nas_bridge", "store"]
    essex = state["forces"][0]
    assert (essex["match_lag"], [(one["name"], one["lag"]) for one in essex["destinations"]]) == (
        2,
        [("nadc", 1), ("nas", 0)],
    )
    assert "at nas" in gantry("status").stdout


def test_status_tells_why_reads_are_not_matched(gantry: Command, world: World) -> None:
    world.match_status.last_error = "ROW_LOCKED"
    world.match_status.failing_since.CopyFrom(NOON)
    done = gantry("status", code=Exit.FAILED)
    assert "essex: its reads are not matched since 2025-03-01T12:00:00Z: ROW_LOCKED" in done.stderr
    assert lines_of(gantry("status", "--json", code=Exit.FAILED))[0]["ok"] is False


def test_status_shows_what_the_others_say_beside_a_silent_service(
    gantry: Command, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.commands.status.PATIENCE_SECONDS", 0.5)
    world.matching.clear()
    try:
        done = gantry("status", code=Exit.FAILED)
        state = lines_of(gantry("status", "--json", code=Exit.FAILED))[0]
    finally:
        world.matching.set()
    assert "match: no answer for" in done.stderr
    assert "at nas" in done.stdout
    (essex,) = (one for one in state["forces"] if one["force"] == "essex")
    assert list(essex["missing"]) == ["match"]
    assert (essex["head"], len(essex["destinations"])) == (7, 2)


def test_status_says_of_an_empty_buffer_that_it_has_no_reads(gantry: Command) -> None:
    assert "essex: no reads, " in gantry("status").stderr


def test_status_of_a_suite_that_starts_says_at_which_step_it_is(gantry: Command, tmp_path: Path) -> None:
    steps = Steps(tmp_path / "run", lambda _: None)
    steps.begin(Phase.STARTING)
    steps.say("PostgreSQL recovers from a crash: redo is at 40 % of 900 MiB of log after 4 s")
    try:
        done = gantry("status", code=Exit.UNREACHABLE)
        told = lines_of(gantry("status", "--json", code=Exit.UNREACHABLE))[0]
    finally:
        steps.end()
    assert "redo is at 40 % of 900 MiB" in done.stderr
    assert "gantry up" not in done.stderr
    assert (told["phase"], told["ok"]) == ("starting", False)


def test_the_audit_trail_and_its_chain(gantry: Command, world: World) -> None:
    record = AuditRecord(
        number=1, recorded_at=NOON, person="ana", action=AUDIT_ACTION_SEARCH_READS, subject="x"
    )
    world.audit = [record]
    assert (
        lines_of(gantry("audit", "list", "--force", "essex", "--json"))[0]["records"][0]["action"]
        == "search_reads"
    )
    assert "search reads" in gantry("audit", "list").stdout
    assert "the chain of 3 records is whole" in gantry("audit", "verify").stderr
    looked = f"position 42, kind {ImageKind.Name(IMAGE_KIND_PLATE_PATCH)}"
    world.audit = [AuditRecord(number=2, recorded_at=NOON, action=AUDIT_ACTION_VIEW_IMAGE, subject=looked)]
    assert "position 42, kind plate " in gantry("audit", "list").stdout
    assert looked in gantry("audit", "list", "--json").stdout, "as the chain of records has it"
    world.first_broken = 2
    assert "essex at record 2" in gantry("audit", "verify", "--force", "essex", code=Exit.FAILED).stderr


def test_replay_enrols_sends_and_sums_up(gantry: Command, world: World, tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    rows = [f"essex,C{number % 7},{number / 10},AB12CDE" for number in range(3000)]
    path.write_text("force,camera_id,t,vrm\n" + "\n".join([*rows, "essex,C1,never,AB12CDE", "half"]))
    words = ("replay", str(path), "--map", "captured_at=t", "--enrol", "--speed", "max", "--start", "now")
    told = lines_of(gantry(*words, "--json"))[0]
    assert (told["accepted"], told["duplicate"], told["broken_lines"], told["unanswered"]) == (3000, 0, 2, 0)
    assert [(one["line"], one["column"]) for one in told["problems"]] == [(3002, "captured_at"), (3003, "")]
    assert sorted(world.cameras) == [f"C{number}" for number in range(7)]
    again = gantry(*words)
    assert "3,000  duplicate" in again.stdout
    assert "no read is captured ahead of the clock" in again.stderr


def test_replay_of_a_header_alone_says_so(gantry: Command, tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    path.write_text("force,camera_id,captured_at,vrm")
    assert "no line after it" in gantry("replay", str(path), "--speed", "max", code=Exit.USAGE).stderr


def test_replay_with_wrong_headers_says_what_to_type(gantry: Command, tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    path.write_text("org,cam,time,plate\n")
    said = gantry("replay", str(path), code=Exit.USAGE).stderr
    assert "columns found: org, cam, time, plate" in said
    assert "--map camera_id=cam --map captured_at=time --map vrm=plate" in said


def test_alerts_of_several_forces_are_listed_newest_first(gantry: Command, world: World) -> None:
    world.alerts = [alert(number, f"AA{number}AAA") for number in (1, 2, 3)]
    for one, second in zip(world.alerts, (10, 30, 20), strict=True):
        one.raised_at.FromSeconds(second)
    listed = lines_of(gantry("alerts", "list", *LOOK, "--json"))[0]["alerts"]
    times = [one["raised_at"] for one in listed]
    assert times == sorted(times, reverse=True)


def test_a_watch_whose_output_fails_does_not_go_on_after_what_was_not_shown(
    gantry: Command, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.alerts = [alert(1, "AB12CDE"), alert(2, "XY34FGH")]

    def shown(one: Alert) -> None:
        if one.alert_id == "2":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(alerts, "show_alert", shown)
    said = gantry("alerts", "watch", "--earliest", "--force", "essex", *LOOK, code=Exit.FAILED).stderr
    assert "--force essex --after 1\n" in said


def test_a_list_says_that_it_leaves_out_older_alerts(gantry: Command, world: World) -> None:
    world.alerts = [alert(number, f"AB1{number}CDE") for number in range(4)]
    assert (
        "the newest 3 of essex are shown; --limit shows more"
        in gantry("alerts", "list", "--limit", "3", *LOOK).stderr
    )
    assert lines_of(gantry("alerts", "list", "--limit", "3", *LOOK, "--json"))[0]["more"]
    assert "are shown" not in gantry("alerts", "list", "--limit", "4", *LOOK).stderr
    assert not lines_of(gantry("alerts", "list", "--limit", "4", *LOOK, "--json"))[0]["more"]


def test_a_list_says_that_it_leaves_out_older_records(gantry: Command, world: World) -> None:
    world.audit = [AuditRecord(number=number, recorded_at=NOON, subject="x") for number in (3, 2, 1)]
    said = gantry("audit", "list", "--force", "essex", "--limit", "2").stderr
    assert "the newest 2 of essex are shown; --limit shows more" in said
    assert "are shown" not in gantry("audit", "list", "--force", "essex", "--limit", "3").stderr
