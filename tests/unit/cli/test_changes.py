"""The verbs of alerts' lists, forces and destinations against servers that answer."""

from collections.abc import Callable
from pathlib import Path

import pytest
from gantry.bridge.v1 import bridge_pb2
from gantry.ingest.v1 import ingest_pb2
from gantry.ingest.v1.cameras_pb2 import Camera, CameraHealth, RejectionCount, WarningCount
from gantry.match.v1.alert_pb2 import MATCH_KIND_NEAR, Acknowledgement, AlertFilter
from gantry.store.v1.forces_pb2 import FORCE_STATE_ACTIVE, Area, Force, ForceSettings

from cli.exits import Exit
from tests.unit.cli.fake_suite import LOOK, NOON, Command, World, alert, lines_of


def test_alerts_are_listed_page_by_page_and_shown_one_by_one(gantry: Command, world: World) -> None:
    world.alerts = [alert(number, "AB12CDE") for number in range(1, 1_203)]
    world.acknowledgements["1202"] = Acknowledgement(person="ana", at=NOON)
    words = ("alerts", "list", "--force", "essex", *LOOK, "--json")
    listed = lines_of(gantry(*words, "--limit", "1100"))[0]["alerts"]
    assert [one["alert_id"] for one in listed] == [str(number) for number in range(1202, 102, -1)]
    assert lines_of(gantry(*words, "--open", "--limit", "1"))[0]["alerts"][0]["alert_id"] == "1201"
    assert "no alerts" in gantry("alerts", "list", "--force", "kent", *LOOK).stderr
    assert "alert 7:" in gantry("alerts", "show", "7", "--force", "essex", *LOOK).stdout
    gantry("alerts", "show", "9999", "--force", "essex", *LOOK, code=Exit.NOT_FOUND)


ONLY = ("--hotlist", "stolen", "--hotlist", "wanted", "--camera", "a12", "--priority", "3", "--kind", "near")


def test_a_watch_ends_after_as_many_alerts_as_wanted(gantry: Command, world: World) -> None:
    world.alerts = [alert(number, "AB12CDE") for number in range(1, 8)]
    words = ("alerts", "watch", "--force", "essex", "--earliest", "--limit", "3", *LOOK)
    assert [one["alert_id"] for one in lines_of(gantry(*words, "--json"))] == ["1", "2", "3"]
    assert "go on from here: --force essex --after 3" in gantry(*words).stderr


def test_alerts_are_filtered_by_the_service(gantry: Command, world: World) -> None:
    gantry("alerts", "watch", "--force", "essex", "--once", *ONLY, *LOOK)
    gantry("alerts", "list", "--force", "essex", *ONLY, *LOOK)
    only = AlertFilter(
        hotlists=["stolen", "wanted"], camera_ids=["a12"], lowest_priority=3, kind=MATCH_KIND_NEAR
    )
    assert [request.filter for request in (*world.subscriptions, *world.listings)] == [only, only]
    gantry("alerts", "list", "--force", "essex", *LOOK)
    assert world.listings[-1].filter == AlertFilter()
    assert "'--priority'" in gantry("alerts", "list", "--priority", "10", *LOOK, code=Exit.USAGE).output


def test_a_force_is_created_with_the_authority_on_this_machine(
    gantry: Command, world: World, tmp_path: Path
) -> None:
    assert "force avon is created" in gantry("force", "add", "avon", "--consumer", "nas").stderr
    assert (world.created[0].force, list(world.created[0].consumers)) == ("avon", ["nas"])
    gantry("camera", "list", "--force", "avon")
    listed = lines_of(gantry("force", "list", "--json"))[0]["forces"]
    assert [(one["force"], one["state"]) for one in listed] == [("avon", "active")]
    assert "force avon is retired" in gantry("force", "retire", "avon", *LOOK).stderr
    assert world.purposes == ["Burglary at Mill Lane"]
    assert lines_of(gantry("force", "list", "--json"))[0]["forces"] == []
    assert "retired" in gantry("force", "list", "--retired").stdout
    (tmp_path / "pki" / "ca.key").unlink()
    said = gantry("force", "add", "tamar", code=Exit.REFUSED).stderr
    assert "does not name 'tamar'" in said


def test_the_settings_of_a_force_are_changed_one_by_one(gantry: Command, world: World) -> None:
    essex = world.forces["essex"] = Force(code="essex", name="Essex Police", state=FORCE_STATE_ACTIVE)
    said = gantry("force", "change", "essex", "--area", "51.4,-0.1,52.2,1.4", *LOOK).stderr
    assert "within five seconds" in said
    gantry("force", "change", "essex", "--not-read-word", "NO TAG", "--not-read-word", "taxi", *LOOK)
    assert essex.settings.area == Area(south=51.4, west=-0.1, north=52.2, east=1.4)
    assert list(essex.settings.not_read_words.words) == ["NO TAG", "taxi"]
    shown = gantry("force", "list").stdout
    assert "51.4,-0.1,52.2,1.4" in shown
    assert "NO TAG, taxi" in shown
    (listed,) = lines_of(gantry("force", "list", "--json"))[0]["forces"]
    assert (listed["area"], listed["not_read_words"]) == ([51.4, -0.1, 52.2, 1.4], ["NO TAG", "taxi"])
    gantry("force", "change", "essex", "--area", "anywhere", "--usual-words", *LOOK)
    assert essex.settings == ForceSettings()
    assert "the usual ones" in gantry("force", "list").stdout
    assert world.purposes == ["Burglary at Mill Lane"] * 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say what to change"),
        (("--area", "51.4,0"), "south,west,north,east"),
        (("--area", "a,b,c,d"), "south,west,north,east"),
        (("--usual-words", "--not-read-word", "X"), "exclude each other"),
    ],
)
def test_what_cannot_be_changed_of_a_force(
    gantry: Command, world: World, words: tuple[str, ...], said: str
) -> None:
    world.forces["essex"] = Force(code="essex", state=FORCE_STATE_ACTIVE)
    assert said in gantry("force", "change", "essex", *words, *LOOK, code=Exit.USAGE).stderr
    assert (
        "no force kent"
        in gantry("force", "change", "kent", "--usual-words", *LOOK, code=Exit.NOT_FOUND).stderr
    )


def test_cameras_are_listed_with_what_they_failed_to_read_and_what_was_odd(
    gantry: Command, world: World
) -> None:
    world.cameras = {"C1": Camera(camera_id="C1", feed="gw", enabled=True)}
    counts = [
        RejectionCount(reason=ingest_pb2.REJECTION_REASON_VRM_NOT_READ, count=1_200),
        RejectionCount(reason=ingest_pb2.REJECTION_REASON_VRM_EMPTY, count=34),
        RejectionCount(reason=ingest_pb2.REJECTION_REASON_HEADING_INVALID, count=7),
    ]
    remarks = [
        WarningCount(reason=ingest_pb2.WARNING_REASON_POSITION_UNKNOWN, count=3),
        WarningCount(reason=ingest_pb2.WARNING_REASON_DUPLICATE_DIFFERS, count=1),
        WarningCount(reason=ingest_pb2.WarningReason.ValueType(99), count=5),
    ]
    world.health = [CameraHealth(camera_id="C1", accepted=9, rejected=counts, warnings=remarks)]
    shown = gantry("camera", "list", "--force", "essex").stdout
    assert "1,241" in shown
    assert "1,234" in shown
    assert "3 position unknown, 1 duplicate differs, 5 99" in shown
    (listed,) = lines_of(gantry("camera", "list", "--force", "essex", "--json"))[0]["cameras"]
    assert listed["rejected"] == {"VRM_NOT_READ": 1200, "VRM_EMPTY": 34, "HEADING_INVALID": 7}
    assert listed["warnings"] == {"POSITION_UNKNOWN": 3, "DUPLICATE_DIFFERS": 1, "99": 5}


def test_destinations_are_added_paused_resumed_and_retired(gantry: Command, world: World) -> None:
    words = ("bridge", "destination", "add", "nas2", "--adapter", "nas", "--force", "essex", *LOOK)
    gantry(*words, "--option", "target=127.0.0.1:7", "--images", "patch", "--most-reads", "9")
    added = world.bridge_requests.pop()
    assert added.purpose.justification == "Burglary at Mill Lane"
    assert added.destination == bridge_pb2.DestinationSettings(
        name="nas2",
        adapter="nas",
        options={"target": "127.0.0.1:7"},
        images=bridge_pb2.DESTINATION_IMAGES_PLATE_PATCH,
        most_reads=9,
    )
    for wrong in (("--option", "target"), ("--images", "some")):
        gantry(*words, *wrong, code=Exit.USAGE)
    for verb in ("pause", "resume", "retire"):
        gantry("bridge", "destination", verb, "nas2", "--force", "kent", *LOOK)
    asked = [(type(one).__name__, one.force, one.destination) for one in world.bridge_requests]
    assert asked == [(f"{verb}DestinationRequest", "kent", "nas2") for verb in ("Pause", "Resume", "Retire")]
    listed = lines_of(gantry("bridge", "destination", "list", "--force", "essex", "--json"))[0]
    assert [one["name"] for one in listed["destinations"]] == ["nadc", "nas"]
    assert "live" in gantry("bridge", "destination", "list").stdout


def _paused(destination: bridge_pb2.Destination) -> None:
    destination.state, destination.paused = bridge_pb2.FORWARDER_STATE_PAUSED, True


def _stopped(destination: bridge_pb2.Destination) -> None:
    destination.state, destination.stopped_reason = bridge_pb2.FORWARDER_STATE_STOPPED, "20 refusals in a row"


def _retired(destination: bridge_pb2.Destination) -> None:
    destination.state = bridge_pb2.FORWARDER_STATE_IDLE
    destination.desired_state = bridge_pb2.DESTINATION_STATE_RETIRED
    destination.position = 0


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (_paused, Exit.FAILED, "essex, nas: paused by a person"),
        (_stopped, Exit.FAILED, "essex, nas: stopped, 20 refusals in a row"),
        (_retired, Exit.OK, "essex, nas: retired"),
    ],
)
def test_status_tells_what_a_person_wished_of_a_destination(
    gantry: Command, world: World, change: Callable[[bridge_pb2.Destination], None], code: Exit, said: str
) -> None:
    world.destination_changes.append(change)
    assert said in gantry("status", code=code).stderr
    told = lines_of(gantry("status", "--json", code=code))[0]["forces"][0]["destinations"][1]
    nas = bridge_pb2.Destination(desired_state=bridge_pb2.DESTINATION_STATE_LIVE)
    change(nas)
    assert (told["paused"], told["stopped_reason"]) == (nas.paused, nas.stopped_reason)
    assert told["desired"] == ("retired" if change is _retired else "live")
    assert told["lag"] == 0
