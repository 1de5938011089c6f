"""Hotlists with bad lines: each bad line is reported by its number, and the good lines are kept."""

import grpc
import pytest

from chassis.errors import Fault
from suite.suite import Suite
from tests.e2e.door import ReadMaker, enrol, public_channel, submit_reads
from tests.e2e.hotlists import import_csv, import_plates
from tests.e2e.marks import SHARED_SUITE
from tests.e2e.outcome import alerts_of, identity_of, settled
from tests.e2e.pages import counter

pytestmark = SHARED_SUITE

FORCE = "dee"
LISTED, LATER = "YK19ZXW", "YK19ZXV"

HALF_BROKEN = "\n".join(
    (
        "VRM,Reason,Priority,weed_date,owner",
        f"{LISTED},stolen,2,,desk 4",
        ",no plate,2,,",
        "AB12*CD,odd plate,2,,",
        "AB12CDE,,2,,",
        "AB12CDF,priority out of range,12,,",
        "AB12CDG,date that is none,2,2026-13-01,",
        f"{LATER.lower()},kept,9,2099-01-01,",
        f"{LISTED},stolen and repeated,1,,",
    )
)


async def test_a_list_that_is_mostly_broken_does_not_replace_a_good_one(suite: Suite) -> None:
    await import_plates(suite, FORCE, [LISTED, LATER], name="good")
    with pytest.raises(Fault) as caught:
        await import_csv(suite, FORCE, HALF_BROKEN.encode(), name="good")
    assert (caught.value.status, caught.value.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "HOTLIST_BROKEN",
    )
    assert caught.value.metadata["errors"].startswith("line 3, vrm: the plate is empty\n")
    assert "AB12" not in str(caught.value) + caught.value.metadata["errors"]


async def test_good_lines_of_a_new_list_stay_and_bad_ones_are_named(suite: Suite) -> None:
    before = await counter(suite, "match", "gantry_match_rejected_lines", "force")
    answer = await import_csv(suite, FORCE, HALF_BROKEN.encode(), name="half")
    after = await counter(suite, "match", "gantry_match_rejected_lines", "force")
    assert after[FORCE] - before.get(FORCE, 0) == 5
    assert (answer.entries, answer.repeated_lines, answer.rejected_lines) == (3, 1, 5)
    assert [error.line for error in answer.errors] == [3, 4, 5, 6, 7]
    assert [error.column for error in answer.errors] == ["vrm", "vrm", "reason", "priority", "weed_date"]
    assert list(answer.ignored_columns) == ["owner"]
    assert not any("AB12" in error.message or LISTED in error.message for error in answer.errors)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"plate,why\nYK19ZXW,stolen\n", "CSV_HEADER_INVALID"),
        (b"", "CSV_HEADER_INVALID"),
        (b"vrm,reason\n,\n*,x\n", "HOTLIST_EMPTY"),
        (b"vrm,reason\n", "HOTLIST_EMPTY"),
    ],
)
async def test_a_list_without_any_use_leaves_the_old_one_in_place(
    suite: Suite, content: bytes, reason: str
) -> None:
    await import_plates(suite, FORCE, [LISTED], name="steady")
    with pytest.raises(Fault) as caught:
        await import_csv(suite, FORCE, content, name="steady")
    assert (caught.value.status, caught.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    maker = ReadMaker(await enrol(suite, FORCE, f"steady-{abs(hash((content, reason)))}"))
    async with public_channel(suite) as channel:
        read = maker.one(LISTED)
        await submit_reads(channel, maker.feed.token, [read])
    await settled(suite, FORCE, 1, at=())
    mine = [alert for alert in await alerts_of(suite, FORCE) if identity_of(alert)[3] == read.read_id]
    assert "steady" in {alert.hotlist for alert in mine}
