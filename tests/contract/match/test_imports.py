"""A hotlist that was imported is matched against when the call returns, and imported once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import grpc
import pytest
from gantry.match.v1.hotlist_pb2 import ImportHotlistRequest
from gantry.match.v1.hotlist_pb2_grpc import HotlistServiceStub

from chassis.database import in_forces, open_pool
from chassis.errors import Fault, InvalidInput, Unavailable, fault_from
from clients.match import is_unspoken
from services.match.hotlists.importing import ImportOrder
from services.match.hotlists.postgres import SQL
from tests.contract.match.memory_log import Seen
from tests.contract.match.replica import alerts_of, eventually, load, load_csv, replica, until_matched
from tests.contract.match.served import WHY, chunks_of, header

NOW = datetime(2026, 11, 27, tzinfo=UTC)
REQUEST = UUID(int=7)
CSV = b"vrm,reason,source\nAB12CDE,Stolen,red\nAB12CDE,Stolen twice,red\n*,bad,red\n"


async def test_the_answer_says_what_came_of_each_line(served):
    match = await served()
    answer = await (await match.hotlists()).import_csv(header(), chunks_of(CSV[:20], CSV[20:]))
    assert (answer.version, answer.entries, answer.repeated_lines, answer.rejected_lines) == (1, 2, 1, 1)
    (error,) = answer.errors
    assert (error.line, error.column) == (4, "vrm")
    assert list(answer.ignored_columns) == ["source"]
    (remark,) = answer.remarks
    assert (remark.line, remark.column) == (3, "vrm")
    assert "line 2 has this plate too" in remark.message
    assert match.audit.records == [("essex", "ana", 6, WHY.justification, "name stolen")]


async def test_lines_past_their_weed_date_are_kept_and_not_called_active(served):
    hotlists = await (await served()).hotlists()
    lines = b"AA1AAA,x,2025-12-31\nAA1AAA,y,\nBB1BBB,z,9999-12-31\nTotal,3,\n"
    answer = await hotlists.import_csv(header(), chunks_of(b"vrm,reason,weed_date\n" + lines))
    assert (answer.entries, answer.expired_lines, answer.repeated_lines, answer.furniture_lines) == (
        2,
        1,
        1,
        1,
    )
    assert [(each.line, each.column) for each in answer.remarks] == [(2, "weed_date"), (3, "vrm"), (5, "")]
    (hotlist,) = await hotlists.hotlists("essex")
    assert (hotlist.entries, hotlist.expired_entries) == (3, 1)


async def test_a_dry_run_answers_as_an_import_and_changes_nothing(served, log):
    match = await served()
    hotlists = await match.hotlists()
    first = await hotlists.import_csv(header(dry_run=True), chunks_of(CSV))
    assert (first.version, first.entries, first.rejected_lines, first.repeated_lines) == (0, 2, 1, 1)
    assert await hotlists.hotlists("essex") == []
    await hotlists.import_csv(header(), chunks_of(CSV))
    answer = await hotlists.import_csv(header(dry_run=True), chunks_of(b"vrm,reason\nXX1XXX,z\n"))
    assert (answer.version, answer.entries) == (1, 1)
    await until_matched(match.match, log.append(Seen("XX1XXX")))
    assert (await (await match.alerts()).status("essex")).alerts_raised == 0
    with pytest.raises(InvalidInput) as caught:
        await hotlists.import_csv(header(dry_run=True), chunks_of(b"plate\n"))
    assert caught.value.reason == "CSV_HEADER_INVALID"


async def test_columns_are_mapped_as_the_header_says(served):
    hotlists = await (await served()).hotlists()
    columns = {"vrm": "Registration", "reason": "Why"}
    answer = await hotlists.import_csv(
        header(columns=columns), chunks_of(b"Registration,Why\nAB12CDE,Stolen\n")
    )
    assert answer.entries == 1
    for wrong in ({"owner": "x"}, {"vrm": " "}):
        with pytest.raises(InvalidInput, match="columns should"):
            await hotlists.import_csv(header(columns=wrong), chunks_of(CSV))


async def test_an_early_refusal_is_heard_while_chunks_are_still_sent(served):
    hotlists = await (await served()).hotlists()
    chunk = b"plate,why\n" + b"AB12CDE,Stolen\n" * 17_000
    reasons = []
    for _ in range(12):
        given = header()
        try:
            await hotlists.import_csv(given, chunks_of(*[chunk] * 40))
        except Fault as fault:
            if not is_unspoken(fault):
                reasons.append(fault.reason)
                continue
        with pytest.raises(Fault) as caught:
            await hotlists.import_csv(given, chunks_of(*[chunk] * 40), gently=True)
        reasons.append(caught.value.reason)
    assert reasons == ["CSV_HEADER_INVALID"] * 12


async def test_lists_are_listed_by_name_with_their_versions(served):
    match = await served()
    hotlists = await match.hotlists()
    await hotlists.import_csv(header(name="zebra", near_matches=False), chunks_of(CSV))
    await hotlists.import_csv(header(), chunks_of(CSV))
    answer = await hotlists.import_csv(header(), chunks_of(b"vrm,reason\nA1,x\nB1,y\n"))
    assert answer.version == 2
    found = [
        (hotlist.name, hotlist.version, hotlist.entries, hotlist.near_matches, hotlist.imported_by)
        for hotlist in await hotlists.hotlists("essex")
    ]
    assert found == [("stolen", 2, 2, True, "ana"), ("zebra", 1, 2, False, "ana")]
    assert (await (await match.alerts()).status("essex")).entries == 4


async def test_every_read_stored_after_the_answer_meets_the_new_list(match_database, log):
    rounds = range(1, 8)
    async with replica(match_database, log) as match:
        for number in rounds:
            await load(match, f"AA{number}AAA,new", name=f"round {number}")
            log.append(Seen(f"AA{number}AAA", read_id=f"{number}"))
            await load(match, f"EE{number}EEE,replaced")
            log.append(Seen(f"EE{number - 1}EEE", read_id=f"no longer listed {number}"))
        await until_matched(match, log.head)
    found = [alert.read.read_id for alert in await alerts_of(match_database)]
    assert found == [f"{number}" for number in rounds]


async def test_a_list_is_replaced_while_it_raises_alerts(match_database, log):
    async def append() -> None:
        for number in range(400):
            log.append(Seen("AB12CDE", read_id=f"{number}"))
            await asyncio.sleep(0.005)

    async with replica(match_database, log) as match:
        await load(match, "AB12CDE,Stolen")
        appending = asyncio.create_task(append())
        async with asyncio.timeout(60):
            while not appending.done():
                await load(match, "AB12CDE,Stolen")
            await until_matched(match, log.head)
        assert len(await alerts_of(match_database)) == 400


async def test_it_is_so_too_when_another_replica_follows_the_force(match_database, log):
    async with replica(match_database, log) as follower:
        await eventually(lambda: _has_followed(log))
        async with replica(match_database, log) as other:
            for number in range(1, 5):
                await load(other, f"AA{number}AAA,round {number}")
                position = log.append(Seen(f"AA{number}AAA", read_id=f"{number}"))
                await until_matched(follower, position)
    assert [alert.read.read_id for alert in await alerts_of(match_database)] == ["1", "2", "3", "4"]


async def _has_followed(log) -> bool:
    return bool(log.follows)


async def test_a_retry_with_the_same_id_imports_once_and_gets_the_same_answer(match_database, log):
    async with replica(match_database, log) as match:
        first = await load(match, "A1,x", "B1,y", request_id=REQUEST)
        await load(match, "C1,z")
        assert await load(match, "A1,x", "B1,y", request_id=REQUEST) == first
        (hotlist,) = await match.hotlist_service._hotlists.list("essex", NOW)
    assert (hotlist.version, hotlist.entries) == (2, 1)


async def test_two_calls_at_once_with_the_same_id_import_once(match_database, log):
    async with replica(match_database, log) as match:
        answers = await asyncio.gather(*(load(match, "A1,x", request_id=REQUEST) for _ in range(4)))
    assert {answer.version for answer in answers} == {1}


async def test_an_id_that_was_used_for_another_list_is_refused(match_database, log):
    async with replica(match_database, log) as match:
        await load(match, "A1,x", request_id=REQUEST)
        with pytest.raises(InvalidInput) as caught:
            await load(match, "A1,x", name="other", request_id=REQUEST)
    assert caught.value.reason == "HOTLIST_INVALID"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "CSV_HEADER_INVALID"),
        (b"plate,why\nA1,x\n", "CSV_HEADER_INVALID"),
        (b"vrm,reason\n", "HOTLIST_EMPTY"),
        (b"vrm,reason\n*,x\n", "HOTLIST_EMPTY"),
    ],
)
async def test_a_file_without_a_good_line_leaves_the_list_as_it_was(match_database, log, content, reason):
    async with replica(match_database, log) as match:
        await load(match, "AB12CDE,old")
        with pytest.raises(InvalidInput) as caught:
            await load_csv(match, content)
        await until_matched(match, log.append(Seen("AB12CDE")))
    assert caught.value.reason == reason
    assert [alert.reason for alert in await alerts_of(match_database)] == ["old"]


def _csv(good: int, bad: int) -> bytes:
    lines = [*(f"A{number},x" for number in range(good)), *(["*,x"] * bad)]
    return "\n".join(("vrm,reason", *lines)).encode()


@pytest.mark.parametrize(("good", "bad"), [(2, 3), (2, 5), (2, 400)])
async def test_a_file_that_is_too_broken_leaves_the_list_as_it_was(served, log, good, bad):
    match = await served()
    hotlists = await match.hotlists()
    await hotlists.import_csv(header(), chunks_of(b"vrm,reason\nAB12CDE,old\n"))
    with pytest.raises(InvalidInput) as caught:
        await hotlists.import_csv(header(), chunks_of(_csv(good, bad)))
    assert caught.value.reason == "HOTLIST_BROKEN"
    told = caught.value.metadata
    assert (told["lines"], told["rejected_lines"]) == (str(good + bad), str(bad))
    first, *others = told["errors"].splitlines()
    assert first == f"line {good + 2}, vrm: this is a word for a plate that was not read, and no plate"
    assert len(others) == min(bad, 10) - 1
    (hotlist,) = await hotlists.hotlists("essex")
    assert (hotlist.version, hotlist.entries) == (1, 1)
    await until_matched(match.match, log.append(Seen("AB12CDE")))
    assert (await (await match.alerts()).status("essex")).alerts_raised == 1


async def test_of_a_new_list_the_good_lines_are_taken_however_few(served):
    hotlists = await (await served()).hotlists()
    answer = await hotlists.import_csv(header(), chunks_of(_csv(2, 400)))
    assert (answer.entries, answer.rejected_lines) == (2, 400)


@pytest.mark.parametrize(
    ("good", "bad", "percent"), [(27, 27, None), (1, 2, None), (2, 5, 72), (1, 400, 100), (9, 0, 0)]
)
async def test_a_few_broken_lines_or_as_many_as_allowed_are_left_out(served, good, bad, percent):
    hotlists = await (await served()).hotlists()
    await hotlists.import_csv(header(), chunks_of(b"vrm,reason\nAB12CDE,old\n"))
    wish = {} if percent is None else {"max_rejected_percent": percent}
    answer = await hotlists.import_csv(header(**wish), chunks_of(_csv(good, bad)))
    assert (answer.entries, answer.rejected_lines) == (good, bad)


async def test_who_allows_no_broken_line_gets_none(served):
    hotlists = await (await served()).hotlists()
    with pytest.raises(InvalidInput) as caught:
        await hotlists.import_csv(header(max_rejected_percent=0), chunks_of(_csv(1000, 1)))
    assert caught.value.reason == "HOTLIST_BROKEN"


async def test_a_list_becomes_empty_only_when_that_is_asked_for(served, log):
    match = await served()
    hotlists = await match.hotlists()
    await hotlists.import_csv(header(), chunks_of(b"vrm,reason\nAB12CDE,old\n"))
    with pytest.raises(InvalidInput) as caught:
        await hotlists.import_csv(header(), chunks_of(b"vrm,reason\n"))
    assert caught.value.reason == "HOTLIST_EMPTY"
    answer = await hotlists.import_csv(header(allow_empty=True), chunks_of(b"vrm,reason\n"))
    assert (answer.version, answer.entries) == (2, 0)
    await until_matched(match.match, log.append(Seen("AB12CDE")))
    assert (await (await match.alerts()).status("essex")).alerts_raised == 0


async def test_allowing_an_empty_list_does_not_let_a_broken_file_pass(served):
    hotlists = await (await served()).hotlists()
    await hotlists.import_csv(header(), chunks_of(b"vrm,reason\nAB12CDE,old\n"))
    with pytest.raises(InvalidInput) as caught:
        await hotlists.import_csv(header(allow_empty=True), chunks_of(_csv(0, 3)))
    assert caught.value.reason == "HOTLIST_BROKEN"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"max_rejected_percent": 101}, "HOTLIST_INVALID"),
        ({"name": " "}, "HOTLIST_INVALID"),
        ({"name": "n" * 101}, "HOTLIST_INVALID"),
        ({"request_id": ""}, "HOTLIST_INVALID"),
        ({"purpose": None}, "PURPOSE_REQUIRED"),
        ({"force": "kent"}, "FORCE_NOT_PERMITTED"),
        ({"force": "NOT A FORCE"}, "FORCE_INVALID"),
    ],
)
async def test_a_wrong_header_is_refused_before_a_load_is_begun(served, wrong, reason):
    match = await served()
    with pytest.raises(Fault) as caught:
        await (await match.hotlists()).import_csv(header(**wrong), chunks_of(CSV))
    assert caught.value.reason == reason
    pool = match.match.alerts._pool
    async with in_forces(pool, ["essex", "kent"]) as connection:
        assert await connection.fetchval("select count(*) from loads") == 0


async def test_the_first_message_names_the_force(served):
    stub = HotlistServiceStub(await (await served()).person())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ImportHotlist(iter([ImportHotlistRequest(chunk=b"vrm,reason\n")]), timeout=60)
    assert fault_from(caught.value).reason == "FORCE_INVALID"


@pytest.mark.parametrize(
    "parts",
    [
        [ImportHotlistRequest(header=header()), ImportHotlistRequest(header=header())],
        [ImportHotlistRequest(header=header()), ImportHotlistRequest(chunk=b"x" * ((1 << 20) + 1))],
    ],
)
async def test_another_order_of_messages_is_refused(served, parts):
    match = await served()
    stub = HotlistServiceStub(await match.person())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ImportHotlist(iter(parts), timeout=60)
    assert fault_from(caught.value).reason == "HOTLIST_INVALID"


async def test_without_an_audit_record_nothing_is_imported(served):
    match = await served()
    match.audit.fault = Unavailable("AUDIT_AWAY", "no")
    hotlists = await match.hotlists()
    with pytest.raises(Unavailable):
        await hotlists.import_csv(header(), chunks_of(CSV))
    assert await hotlists.hotlists("essex") == []


async def test_replaced_and_abandoned_loads_are_dropped(match_database, log):
    async def loads_left() -> int:
        async with open_pool(match_database) as pool, in_forces(pool, "essex") as connection:
            return await connection.fetchval("select count(*) from loads")

    async def only_one() -> bool:
        return await loads_left() == 1

    async def broken():
        yield b"vrm,reason\nA1,x\n"
        raise ConnectionResetError

    async with replica(match_database, log) as match:
        await load(match, "A1,x")
        with pytest.raises(ConnectionResetError):
            await match.imports.run(_order(), broken())
        await load(match, "B1,x")
        await eventually(only_one)
        await until_matched(match, log.append(Seen("B1")))
    async with open_pool(match_database) as pool:
        tables = await pool.fetchval(
            "select count(*) from pg_class where relname like 'entries\\_%' and relkind = 'r'"
        )
    assert tables == 1
    assert len(await alerts_of(match_database)) == 1


def _order():
    return ImportOrder("essex", "stolen", True, UUID(int=99), "ana")


async def test_a_load_that_is_being_filled_is_not_taken_for_an_abandoned_one(match_database, log):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow():
        yield b"vrm,reason\nA1,x\n"
        begun.set()
        await go_on.wait()
        yield b"B1,y\n"

    async with replica(match_database, log) as match, open_pool(match_database) as pool:
        importing = asyncio.create_task(match.imports.run(_order(), slow()))
        await begun.wait()
        async with in_forces(pool, "essex") as connection:
            (row,) = await connection.fetch(SQL["list_unused_loads"], "essex")
            assert await connection.fetchval(SQL["drop_load"], row["load_no"]) is False
        go_on.set()
        assert (await importing).entries == 2


async def test_more_entries_than_allowed_are_refused(match_database, log):
    async with replica(match_database, log) as match:
        match.imports._most_entries = 1
        with pytest.raises(InvalidInput) as caught:
            await load(match, "A1,x", "B1,x")
    assert caught.value.reason == "HOTLIST_INVALID"
