"""A read that is on a hotlist alerts, once; the cursor follows the log."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from gantry.match.v1.alert_pb2 import MATCH_KIND_EXACT, MATCH_KIND_NEAR

from chassis.settings import TelemetrySettings
from chassis.telemetry import telemetry
from tests.contract.match.memory_log import NOON_US, Seen
from tests.contract.match.replica import alerts_of, eventually, load, load_csv, replica, until_matched


async def test_a_read_on_a_list_raises_an_alert_with_all_its_fields(match_database, log):
    async with replica(match_database, log) as match:
        await load_csv(
            match,
            b"vrm,reason,priority,markers,instruction,weed_date\n"
            b"AB12 CDE,Stolen,2,ARMED; DRUGS,Do not stop alone,2999-01-01\n",
        )
        position = log.append(Seen("XX99XXX", read_id="r0"), Seen("AB12CDE", read_id="r1"))
        await until_matched(match, position)
    (alert,) = await alerts_of(match_database)
    assert (alert.alert_id, alert.position, alert.kind) == ("1", position, MATCH_KIND_EXACT)
    assert (alert.hotlist, alert.entry_vrm, alert.reason) == ("stolen", "AB12CDE", "Stolen")
    assert (alert.priority, list(alert.markers)) == (2, ["ARMED", "DRUGS"])
    assert alert.instruction == "Do not stop alone"
    read = alert.read
    assert (read.force, read.camera_id, read.read_id, read.vrm) == ("essex", "a12-east", "r1", "AB12CDE")
    assert read.captured_at.ToMicroseconds() == NOON_US
    assert (read.position.latitude, read.position.longitude) == (51.5, 0.5)
    assert not read.HasField("heading")


async def test_near_matches_alert_only_where_the_list_allows_them(match_database, log):
    async with replica(match_database, log) as match:
        await load(match, "AB12CDE,near", name="near", near=True)
        await load(match, "AB12CDE,exact", name="exact", near=False)
        position = log.append(Seen("A8I2CDE", read_id="misread"), Seen("AB12CDE", read_id="right"))
        await until_matched(match, position)
    found = [(alert.hotlist, alert.read.read_id, alert.kind) for alert in await alerts_of(match_database)]
    assert sorted(found) == [
        ("exact", "right", MATCH_KIND_EXACT),
        ("near", "misread", MATCH_KIND_NEAR),
        ("near", "right", MATCH_KIND_EXACT),
    ]


async def test_an_entry_no_longer_matches_after_its_weed_date(match_database, log):
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    async with replica(match_database, log, clock=lambda: now) as match:
        await load_csv(
            match,
            b"vrm,reason,weed_date\n"
            b"AA11AAA,ends today,2026-03-01\nBB22BBB,ended yesterday,2026-02-28\n"
            b"CC33CCC,ended an hour ago,2026-03-01T11:00:00Z\nEE55EEE,never ends,\n",
        )
        vrms = ("AA11AAA", "BB22BBB", "CC33CCC", "EE55EEE")
        await until_matched(match, log.append(*(Seen(vrm, read_id=vrm) for vrm in vrms)))
    assert [alert.entry_vrm for alert in await alerts_of(match_database)] == ["AA11AAA", "EE55EEE"]


async def test_a_read_that_is_stored_again_alerts_no_second_time(match_database, log):
    async with replica(match_database, log) as match:
        await load(match, "AB12CDE,Stolen")
        log.append(Seen("AB12CDE"))
        log.append(Seen("AB12CDE"), Seen("AB12CDE"))
        await load(match, "AB12CDE,Stolen, still".replace(", still", " still"))
        position = log.append(Seen("AB12CDE"), Seen("AB12CDE", captured_at_us=NOON_US + 1))
        await until_matched(match, position)
    moments = [alert.read.captured_at.ToMicroseconds() for alert in await alerts_of(match_database)]
    assert moments == [NOON_US, NOON_US + 1]


async def test_the_cursor_moves_without_alerts_and_is_reported_to_the_store(match_database, log):
    async with replica(match_database, log) as match:
        await load(match, "AB12CDE,Stolen")
        position = log.append(*(Seen("XX99XXX", read_id=f"r{number}") for number in range(50)))
        await until_matched(match, position)
        status = await match.alerts.status("essex")
        assert (status.position, status.head, status.alerts_raised, status.entries) == (50, 50, 0, 1)

        async def heard() -> bool:
            return log.reported >= position

        await eventually(heard)
    async with replica(match_database, log) as match:
        await until_matched(match, log.append(Seen("AB12CDE")))
    assert log.follows[-1] == position


async def test_purged_reads_are_passed_over_and_logged_as_an_error(match_database, log, caplog):
    async with replica(match_database, log) as match:
        await load(match, "AB12CDE,Stolen")
        await until_matched(match, log.append(Seen("AB12CDE", read_id="before")))
    log.append(Seen("AB12CDE", read_id="purged"))
    log.append(Seen("AB12CDE", read_id="kept"))
    log.first_kept = 3
    async with replica(match_database, log) as match:
        await until_matched(match, 3)
        await until_matched(match, log.append(Seen("AB12CDE", read_id="new")))
    assert [alert.read.read_id for alert in await alerts_of(match_database)] == ["before", "kept", "new"]
    assert any(
        record.levelname == "ERROR" and getattr(record, "reason", "") == "POSITION_PURGED"
        for record in caplog.records
    )


async def test_a_plate_in_disorder_stops_nothing(match_database, log):
    async with replica(match_database, log) as match:
        await load(match, "AB12CDE,Stolen", "0,zero")
        position = log.append(Seen("ab-!", read_id="broken"), Seen("AB12CDE", read_id="good"))
        await until_matched(match, position)
    assert [alert.read.read_id for alert in await alerts_of(match_database)] == ["good"]


async def test_an_alert_continues_the_trace_of_its_append(match_database, log, tmp_path):
    trace_id, span_id, other = "a" * 32, "b" * 16, "c" * 32
    spans = tmp_path / "spans.jsonl"
    async with (
        telemetry("match", TelemetrySettings(spans_file=spans)),
        replica(match_database, log) as match,
    ):
        await load(match, "AB12CDE,Stolen")
        log.append(Seen("XX99XXX"), traceparent=f"00-{other}-{span_id}-01")
        single = log.append(Seen("AB12CDE"), traceparent=f"00-{trace_id}-{span_id}-01")
        await until_matched(match, single)
        together = [Seen("AB12CDE", read_id="2"), Seen("XX99XXX"), Seen("AB12CDE", read_id="3")]
        last = log.append(*together, traceparent=f"00-{other}-{span_id}-01")
        await until_matched(match, last)
        # Reads of two cameras in one append, each of a batch with a trace of its own, and one without.
        batches = [f"00-{digit * 32}-{digit * 16}-01" for digit in "123"]
        merged = [Seen("AB12CDE", read_id=number) for number in "456"]
        merged_last = log.append(*merged, Seen("XX99XXX"), traceparents=["", *batches])
        await until_matched(match, merged_last)
    text = spans.read_text()
    found = [json.loads(line) for line in text.splitlines()]
    looked = {span["trace_id"]: span for span in found if span["name"] == "match.reads"}
    assert looked[trace_id]["parent_span_id"] == span_id
    span, later, first, second = [span for span in found if span["name"] == "match.alert"]
    assert (span["trace_id"], span["parent_span_id"]) == (trace_id, looked[trace_id]["span_id"])
    assert span["attributes"] == {"force": "essex", "position": single, "alerts": 1}
    assert later["attributes"] == {"force": "essex", "positions": [last - 2, last], "alerts": 2}
    assert [each["trace_id"] for each in (first, second)] == ["1" * 32, "2" * 32]
    assert [each["attributes"]["position"] for each in (first, second)] == [merged_last - 2, merged_last - 1]
    # The third batch has no alert, and its trace shows that it was looked at.
    assert looked["3" * 32]["parent_span_id"] == "3" * 16
    assert "AB12CDE" not in text
