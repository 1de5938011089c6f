"""The panel and the status line tell the same, and the line no plate."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from gantry.match.v1.alert_pb2 import Acknowledgement
from rich.console import Console

from cli.home import SuiteHome
from cli.links import connect
from cli.panel import observe, up
from cli.panel.alert_lines import AlertBoard
from cli.panel.draw import draw, status_line
from cli.panel.state import AlertLine, DestinationState, ForceState, ProcessState, SuiteState
from cli.panel.up import Scene
from cli.verbs import Session
from cli.watching import Event
from suite.steps import Phase, Steps
from tests.unit.cli.fake_suite import NOON, World, alert

NAS = DestinationState("nas", "running", 990, 10, 0)
NADC = DestinationState("nadc", "retrying", 500, 500, 0, "connection refused")
ESSEX = ForceState("essex", 1000, 1010, 123.4, 5, 7, 2, 500, destinations=[NAS, NADC])
GONE = {"store": "cannot be reached", "match": "no answer for 14 s", "nas_bridge": "not running"}
AWAY = ForceState("kent", missing=GONE)
ALERT = AlertLine("12:00:01", "essex", "AB12CDE", True, "ESX-A12-003", "Stolen [vehicle]", 42.0)
STATE = SuiteState(
    12.0, [ProcessState("store", "serving", 1), ProcessState("match", "starting")], [ESSEX, AWAY], [ALERT]
)


def drawn(state: SuiteState, width: int = 140) -> str:
    out = StringIO()
    Console(file=out, width=width).print(draw(state, "Gantry", "Ctrl-C stops"))
    return out.getvalue()


def test_the_panel_shows_forces_processes_and_alerts() -> None:
    text = drawn(STATE)
    for word in ("store", "match starting", "123", "1,000", "990", "retrying", "no answer for 14 s"):
        assert word in text
    for word in ("AB12CDE", "near", "Stolen [vehicle]", "42 ms"):
        assert word in text


def test_a_suite_is_well_while_its_canary_starts_and_not_when_it_is_gone() -> None:
    others = [ProcessState("store", "serving", 1)]
    for state, well in (("serving", True), ("starting", True), ("frozen", False), ("stopped", False)):
        assert SuiteState(processes=[*others, ProcessState("canary", state)]).ok is well
    assert not SuiteState(processes=[ProcessState("store", "starting")]).ok


def test_the_status_line_holds_no_personal_data() -> None:
    line = status_line(STATE)
    assert line == (
        "12 s | essex: 123 reads/s, 1,000 stored, 7 alerts, nas 990 (lag 10) nadc 500 (lag 500) | "
        "kent: nothing is known | store: cannot be reached (kent) | match: no answer for 14 s (kent) | "
        "nas_bridge: not running (kent) | match starting"
    )
    assert "AB12CDE" not in str(STATE.as_json())
    one = ForceState("essex", alerts=1)
    assert "1 alert" in status_line(SuiteState(forces=[one]))


def test_the_panel_says_why_reads_are_not_stored_or_matched() -> None:
    at = "2025-03-01T12:00:00Z"
    stuck = ForceState(
        "essex",
        refusal="ROW_LOCKED: a lock",
        refused_since=at,
        match_error="ROW_LOCKED",
        match_failing_since=at,
    )
    for text in (drawn(SuiteState(forces=[stuck])), status_line(SuiteState(forces=[stuck]))):
        assert f"essex: its reads cannot be stored since {at}. ROW_LOCKED: a lock" in text
        assert f"essex: its reads are not matched since {at}: ROW_LOCKED" in text


def test_all_is_well_only_when_it_is() -> None:
    good = ForceState("essex", destinations=[NAS])
    assert SuiteState(processes=[ProcessState("store", "serving")], forces=[good]).ok
    assert not SuiteState(processes=[ProcessState("store", "failing")], forces=[good]).ok
    assert not SuiteState(forces=[ESSEX]).ok
    assert not SuiteState(forces=[AWAY]).ok
    assert not SuiteState(forces=[ForceState("essex", overdue_days=["2025-03-01"])]).ok
    assert not SuiteState(forces=[ForceState("essex", refusal="ROW_LOCKED: a lock")]).ok
    assert not SuiteState(forces=[ForceState("essex", match_error="ROW_LOCKED")]).ok


def test_an_empty_panel_is_drawn_too() -> None:
    assert "no alerts yet" in drawn(SuiteState())


def test_without_a_terminal_too_it_says_where_cameras_may_send(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Quick:
        person = cast("Any", type("Person", (), {"forces": ("essex",)}))
        home = None

    class Running:
        def address(self, _process: str, port: str) -> str:
            return f"127.0.0.1:7000 {port}"

    async def one_look(*_: Any) -> SuiteState:
        return STATE

    async def shown_once(as_json: bool) -> None:
        scene = up.Scene(cast("Any", Running()), cast("Any", None), cast("Any", Quick()), cast("Any", None))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(up._show_lines(scene, Session(Path(), None, as_json)), 0.2)

    monkeypatch.setattr(up, "_look", one_look)
    asyncio.run(shown_once(as_json=False))
    assert "Cameras may send to 127.0.0.1:7000 public" in capsys.readouterr().err
    asyncio.run(shown_once(as_json=True))
    assert capsys.readouterr().err == ""


def test_a_remark_goes_once_all_has_been_well_for_a_while() -> None:
    well = SuiteState(processes=[ProcessState("store", "serving")])
    ill = SuiteState(processes=[ProcessState("store", "starting")])
    scene = Scene.__new__(Scene)
    scene.say("store was ended by SIGKILL; it is being started again")
    for now, state, there in ((0, ill, True), (10, well, True), (14, ill, True), (16, well, True)):
        scene.looked(state, now)
        assert bool(scene.said) is there
    scene.looked(well, 22)
    assert scene.said == ""
    scene.say("The hotlists could not be loaded", lasting=True)
    for now in (30, 40):
        scene.looked(well, now)
    assert scene.said


async def test_a_silent_process_is_distinguished_from_a_dead_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observe, "PATIENCE_SECONDS", 0.2)
    (tmp_path / "run").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as frozen, socket.create_server(("127.0.0.1", 0)) as gone:
        for name, server in (("frozen", frozen), ("gone", gone)):
            ports = {"health": server.getsockname()[1]}
            (tmp_path / "run" / f"{name}.json").write_text(json.dumps(ports))
        gone.close()
        states = await observe.process_states(SuiteHome(tmp_path))
    assert [(one.name, one.state) for one in states] == [("frozen", "silent"), ("gone", "stopped")]


async def test_a_simulator_that_accepts_connections_and_says_nothing_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observe, "PATIENCE_SECONDS", 0.2)
    (tmp_path / "run").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        ports = {"control": server.getsockname()[1]}
        (tmp_path / "run" / "nas.json").write_text(json.dumps(ports))
        assert [one.state for one in await observe.process_states(SuiteHome(tmp_path))] == ["silent"]
    assert [one.state for one in await observe.process_states(SuiteHome(tmp_path))] == ["stopped"]


def test_a_service_that_does_not_answer_leaves_what_the_others_say() -> None:
    frozen = ForceState(
        "essex", 1000, 1010, 123.4, destinations=[NAS], missing={"match": "no answer for 2 s"}
    )
    other = ForceState("kent", 500, 500, missing={"match": "no answer for 2 s"})
    text = drawn(SuiteState(forces=[frozen, other]))
    for word in ("1,000", "990", "?", "match: no answer for 2 s (all forces)"):
        assert word in text


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_width_cuts_a_number_or_a_plate(width: int) -> None:
    nas = DestinationState("nas", "retrying", 6_412_345, 10_123, 0)
    nadc = DestinationState("nadc", "running", 6_422_001, 467, 0)
    forces = [
        ForceState(code, 6_422_468, 6_422_468, 123.4, 5, 71_234, 1_234, 500, destinations=[nas, nadc])
        for code in ("essex", "kent", "surrey")
    ]
    text = drawn(SuiteState(forces=forces, alerts=[ALERT]), width)
    for number in ("6,422,468", "71,234", "1,234", "6,412,345", "10,123", "6,422,001", "467"):
        assert text.count(number) >= len(forces)
    for whole in ("AB12CDE", "12:00:01", "near", "Stolen", "unmatched", "behind"):
        assert whole in text


def test_an_alert_of_another_day_is_shown_with_its_date() -> None:
    board, now = AlertBoard(3), datetime.now(UTC)
    for number, raised_at in ((1, now), (2, now - timedelta(days=3))):
        raised = alert(number, f"AA{number}AAA")
        raised.raised_at.FromDatetime(raised_at)
        board.add(raised)
    today, before = board.lines()
    assert today.raised_at == f"{now:%H:%M:%S}"
    assert before.raised_at == f"{now - timedelta(days=3):%Y-%m-%d %H:%M}"


def test_the_board_keeps_the_newest_alerts_each_once() -> None:
    board = AlertBoard(3)
    # The open alerts of before come after one that was raised meanwhile, newest first.
    for number in (5, 5, 4, 3, 2, 1):
        raised = alert(number, f"AA{number}AAA")
        raised.raised_at.FromSeconds(number)
        board.add(raised)
    assert [line.vrm for line in board.lines()] == ["AA5AAA", "AA4AAA", "AA3AAA"]
    raised = alert(5, "BB1BBB")
    raised.read.force = "kent"
    raised.raised_at.FromSeconds(6)
    board.add(raised)
    assert [line.force for line in board.lines()] == ["kent", "essex", "essex"]


async def test_the_panel_shows_the_alerts_that_are_open_from_before_it_began(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.alerts = [alert(number, f"AA{number}AAA") for number in range(1, 13)]
    for number, one in enumerate(world.alerts):
        one.raised_at.FromSeconds(number)
    world.acknowledgements["12"] = Acknowledgement(person="ana", at=NOON)

    async def watched(*_: Any) -> AsyncIterator[Event]:
        yield Event("kent", 0)
        yield Event("essex", 13, "13", alert(13, "BB1BBB"))
        # Now the service has answered, and is asked for those from before.
        yield Event("essex", 13)
        collected.set()
        await asyncio.Event().wait()

    collected = asyncio.Event()
    monkeypatch.setattr(up, "watched", watched)
    async with connect(tmp_path, None) as links:
        wish = up.Wish(cameras=False, rate=1, seed=1, seconds=None, base_port=0, purpose="Watching")
        scene = Scene(cast("Any", None), links, links, wish)
        collecting = asyncio.create_task(up._collect_alerts(scene))
        await asyncio.wait_for(collected.wait(), 60)
        collecting.cancel()
        await asyncio.wait([collecting])
    shown = [line.vrm for line in scene.alerts.lines()]
    assert shown == ["BB1BBB", *(f"AA{number}AAA" for number in range(11, 4, -1))]


@pytest.mark.parametrize(("lines", "shown"), [(60, 8), (24, 6), (10, 1)])
def test_a_low_terminal_shows_fewer_alerts_and_what_the_suite_says(lines: int, shown: int) -> None:
    state = replace(STATE, alerts=[replace(ALERT, vrm=f"AB1{number}CDE") for number in range(8)])
    out = StringIO()
    Console(file=out, width=140, height=lines).print(draw(state, "Gantry", "the disk is full"))
    text = out.getvalue()
    assert [f"AB1{number}CDE" in text for number in range(8)] == [number < shown for number in range(8)]
    assert "the disk is full" in text
    assert text.count("\n") <= lines or shown == 1


async def test_a_process_that_is_being_stopped_is_not_said_to_start(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "store.pid").write_text(str(os.getpid()))
    steps = Steps(tmp_path / "run", lambda _: None)
    for phase, state in (
        (Phase.STARTING, "starting"),
        (Phase.RUNNING, "starting"),
        (Phase.STOPPING, "stopping"),
    ):
        steps.begin(phase)
        assert [one.state for one in await observe.process_states(SuiteHome(tmp_path))] == [state]
