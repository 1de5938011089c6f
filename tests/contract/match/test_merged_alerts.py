"""An alert says what a person needs to judge it: every line in force, the vehicle, the camera, the doubt."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from gantry.ingest.v1.cameras_pb2 import Camera, CameraList, WatchCamerasResponse
from gantry.match.v1.alert_pb2 import MATCH_KIND_EXACT, MATCH_KIND_NEAR, AlertFilter, SubscribeRequest

from chassis.database import in_forces, open_pool
from chassis.errors import InvalidInput
from tests.contract.match.memory_log import NOON_US, Seen
from tests.contract.match.replica import alerts_of, eventually, load_csv, replica, until_matched
from tests.contract.match.served import WHY, Served

NOON = datetime.fromtimestamp(NOON_US / 1e6, UTC)


class Registry:
    """Ingest with the names of one force."""

    async def watch(self, force: str):
        cameras = [Camera(camera_id="a12-east", name="A12 J19 northbound")] if force == "essex" else []
        yield WatchCamerasResponse(cameras=CameraList(cameras=cameras))


async def test_an_alert_merges_the_lines_that_are_in_force(match_database, log):
    async with replica(match_database, log, clock=lambda: NOON) as match:
        answer = await load_csv(
            match,
            b"vrm,reason,priority,markers,instruction,weed_date\n"
            b"DU09 PLE,Armed robbery,1,ARMED;VIOLENT,Do not approach,\n"
            b"DU09PLE,No MOT since March,9,NO MOT,Words of advice,2999-01-01\n"
            b"DU09PLE,Murder,1,GUN,Shoot,2001-01-01\n"
            b"XX99XXX,other,5,,,\n",
        )
        assert (answer.entries, answer.repeated_lines, answer.expired_lines) == (3, 2, 1)
        log.append(Seen("DU09PLE"), Seen("DU09PLE"))
        await until_matched(match, log.head)
    (alert,) = await alerts_of(match_database)
    assert (alert.priority, alert.reason, alert.instruction) == (1, "Armed robbery", "Do not approach")
    assert list(alert.markers) == ["ARMED", "VIOLENT", "NO MOT"]
    first, second = alert.entries
    assert (first.line, first.reason, first.HasField("weed_at")) == (2, "Armed robbery", False)
    assert (second.line, second.priority, list(second.markers)) == (3, 9, ["NO MOT"])
    assert second.weed_at.ToDatetime(UTC) == datetime(2999, 1, 2, tzinfo=UTC)


async def test_a_near_match_names_the_characters_that_differ(match_database, log):
    async with replica(match_database, log) as match:
        await load_csv(match, b"vrm,reason\nAB12CDE,Stolen\n")
        await until_matched(match, log.append(Seen("A8I2CDE"), Seen("AB12CDE", read_id="r2")))
    near, exact = await alerts_of(match_database)
    assert (near.kind, list(near.differing_characters)) == (MATCH_KIND_NEAR, [1, 2])
    assert (exact.kind, list(exact.differing_characters)) == (MATCH_KIND_EXACT, [])


async def test_an_alert_shows_the_camera_s_name_and_whether_it_comes_late(match_database, log):
    async with replica(match_database, log, clock=lambda: NOON, cameras=Registry()) as match:
        await load_csv(match, b"vrm,reason\nAB12CDE,Stolen\n")

        async def learnt() -> bool:
            return bool(match.cameras.of("essex", "a12-east"))

        await eventually(learnt)
        log.append(
            Seen("AB12CDE", read_id="now", captured_at_us=NOON_US - 119_000_000),
            Seen("AB12CDE", read_id="old", captured_at_us=NOON_US - 121_000_000),
            Seen("AB12CDE", read_id="else", camera_id="m25"),
        )
        await until_matched(match, log.head)
    now, old, other = await alerts_of(match_database)
    assert (now.camera_name, now.late, now.age.ToTimedelta()) == (
        "A12 J19 northbound",
        False,
        timedelta(seconds=119),
    )
    assert (old.late, old.age.ToTimedelta()) == (True, timedelta(seconds=121))
    assert (other.camera_name, other.age.ToTimedelta()) == ("", timedelta())


async def test_an_alert_of_the_release_before_is_shown_without_what_it_lacks(match_database, log):
    async with replica(match_database, log) as match:
        await load_csv(match, b"vrm,reason\nAB12CDE,Stolen\n")
        await until_matched(match, log.append(Seen("AB12CDE")))
    given = "array[7::bigint], array[now()], array[hotlist_no], array[5::smallint], array[false]"
    texts = (
        "array['c'], array['old'], array['AB12CDE'], array['stolen'], array['why'], array['A;B'], array['']"
    )
    async with open_pool(match_database) as pool, in_forces(pool, "essex") as connection:
        await connection.execute(
            f"select append_alerts('essex', now(), {given}, {texts}, array[''::bytea]) from hotlists"
        )
    _, alert = await alerts_of(match_database)
    assert (alert.reason, list(alert.markers), list(alert.entries)) == ("why", ["A", "B"], [])
    assert not alert.late


async def test_the_release_before_gets_every_line_and_the_strongest_first(match_database, log):
    async with replica(match_database, log) as match:
        await load_csv(match, b"vrm,reason,priority\nDU09PLE,weak,9\nDU09PLE,strong,1\nDU09PLE,middle,5\n")
    async with open_pool(match_database) as pool, in_forces(pool, "essex") as connection:
        load_no, key = await connection.fetchrow("select load_no, folded_key from entries limit 1")
        rows = await connection.fetch(
            "select * from find_entries('essex', array[$1::bigint], array[$2::bigint], now())", load_no, key
        )
        assert [row["reason"] for row in rows] == ["strong", "middle", "weak"]
        assert await connection.fetchval("select begin_load('essex')") > load_no


@pytest.fixture
async def match(served, log) -> Served:
    """Four alerts: 1 stolen, exact, a12; 2 wanted (priority 2), near, a12; 3 and 4 both of m25."""
    replica = await served()
    await load_csv(replica.match, b"vrm,reason,priority\nAA11AAA,x,5\n", name="stolen")
    await load_csv(replica.match, b"vrm,reason,priority\nBB22BBB,x,2\n", name="wanted")
    reads = (("AA11AAA", "a12"), ("B822BBB", "a12"), ("AA11AAA", "m25"), ("BB22BBB", "m25"))
    for number, (vrm, camera_id) in enumerate(reads):
        position = log.append(Seen(vrm, camera_id, f"r{number}"))
        await until_matched(replica.match, position)
    return replica


FILTERS = [
    (AlertFilter(), [1, 2, 3, 4]),
    (AlertFilter(hotlists=["stolen"]), [1, 3]),
    (AlertFilter(hotlists=["stolen", "wanted"]), [1, 2, 3, 4]),
    (AlertFilter(camera_ids=["m25"]), [3, 4]),
    (AlertFilter(lowest_priority=2), [2, 4]),
    (AlertFilter(kind=MATCH_KIND_NEAR), [2]),
    (AlertFilter(kind=MATCH_KIND_EXACT, hotlists=["wanted"]), [4]),
    (AlertFilter(hotlists=["unheard of"]), []),
]


@pytest.mark.parametrize(("asked", "numbers"), FILTERS)
async def test_a_filter_selects_alerts_to_list_and_to_watch(match, asked, numbers):
    client = await match.alerts()
    await client.acknowledge("essex", "4", WHY)
    listed = [int(alert.alert_id) async for alert in client.alerts("essex", WHY, page_size=1, wanted=asked)]
    assert sorted(listed) == numbers
    request = SubscribeRequest(force="essex", purpose=WHY, earliest=True, filter=asked)
    events = []
    async with aclosing(client.subscribe(request)) as responses:
        async for response in responses:
            if response.HasField("progress"):
                break
            events.append((response.event.number, int(response.event.alert_id)))
    # The acknowledgement of alert 4 is event 5.
    assert events == [*((number, number) for number in numbers), *([(5, 4)] if 4 in numbers else [])]
    assert response.number == 5


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (AlertFilter(hotlists=["h"] * 101), "filter.hotlists"),
        (AlertFilter(camera_ids=["c"] * 1001), "filter.camera_ids"),
        (AlertFilter(lowest_priority=10), "filter.lowest_priority"),
    ],
)
async def test_a_filter_has_limits(served, asked, field):
    client = await (await served()).alerts()
    with pytest.raises(InvalidInput) as caught:
        _ = [alert async for alert in client.alerts("essex", WHY, wanted=asked)]
    assert (caught.value.reason, caught.value.field) == ("FILTER_INVALID", field)
    request = SubscribeRequest(force="essex", purpose=WHY, filter=asked)
    with pytest.raises(InvalidInput):
        async with aclosing(client.subscribe(request)) as responses:
            await anext(responses)
