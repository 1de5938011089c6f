"""The check of a whole trail, and the auditor of the store itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_CHANGE_FORCES, AUDIT_ACTION_SEARCH_READS
from gantry.common.v1.purpose_pb2 import Purpose
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import NotFound
from services.store.audit import trail
from services.store.audit.chain import START, AuditEntry, HashedEntry, chained
from services.store.audit.trail import OwnAuditor, verify

PURPOSE = Purpose(code="theft", reference="OP-1", justification="a stolen car", approval_id="A-1")


class FakeRecords:
    """Trails in memory; `tampered` replaces added records."""

    def __init__(self, *forces: str) -> None:
        self.entries: dict[str, list[HashedEntry]] = {force: [] for force in forces}
        self.ends: dict[str, tuple[int, bytes]] = {}

    async def add(self, entry: AuditEntry, *, known: bool = True) -> int:
        if known and entry.force not in self.entries:
            raise NotFound("FORCE_UNKNOWN", "there is no such force", field="force")
        number, before = self.ends.get(entry.force, (0, START))
        entry = replace(entry, number=number + 1)
        self.ends[entry.force] = number + 1, chained(before, entry)
        self.entries.setdefault(entry.force, []).append((entry, self.ends[entry.force][1]))
        return entry.number

    async def before(self, force: str, number: int | None, rows: int) -> Sequence[HashedEntry]:
        raise NotImplementedError

    async def after(self, force: str, number: int, rows: int) -> Sequence[HashedEntry]:
        return [each for each in self.entries[force] if each[0].number > number][:rows]

    async def end(self, force: str) -> tuple[int, bytes]:
        return self.ends.get(force, (0, START))


async def of_length(length: int) -> FakeRecords:
    records = FakeRecords("essex")
    auditor = OwnAuditor(records, ())
    for number in range(length):
        await auditor.record("essex", "pat", AUDIT_ACTION_SEARCH_READS, PURPOSE, f"subject {number}")
    return records


@given(st.integers(0, 12), st.integers(1, 5))
async def test_a_whole_trail_is_checked_in_parts(length: int, rows: int) -> None:
    records = await of_length(length)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trail, "_ROWS_AT_ONCE", rows)
        assert await verify(records, "essex") == (length, 0)


@given(st.data(), st.integers(1, 12), st.integers(1, 5))
async def test_a_record_that_is_changed_or_missing_is_found(
    data: st.DataObject, length: int, rows: int
) -> None:
    records = await of_length(length)
    victim = data.draw(st.integers(1, length))
    entry, digest = records.entries["essex"][victim - 1]
    if data.draw(st.booleans()):
        records.entries["essex"][victim - 1] = replace(entry, subject="another"), digest
    else:
        del records.entries["essex"][victim - 1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trail, "_ROWS_AT_ONCE", rows)
        assert await verify(records, "essex") == (victim - 1, victim)


async def test_records_written_during_the_check_are_left_out() -> None:
    records = await of_length(3)
    end = await records.end("essex")
    await OwnAuditor(records, ()).record("essex", "pat", AUDIT_ACTION_SEARCH_READS, PURPOSE, "later")
    records.ends["essex"] = end
    assert await verify(records, "essex") == (3, 0)


async def test_the_stores_own_auditor_names_the_store_and_the_whole_purpose() -> None:
    records = FakeRecords("essex")
    auditor = OwnAuditor(records, ())
    assert await auditor.record("essex", "pat", AUDIT_ACTION_SEARCH_READS, PURPOSE, "vrm AB12CDE") == 1
    assert await auditor.record("essex", "pat", AUDIT_ACTION_CHANGE_FORCES, None, "force essex") == 2
    first, second = (entry for entry, _ in records.entries["essex"])
    assert (first.service, first.person, first.subject) == ("store", "pat", "vrm AB12CDE")
    assert (first.code, first.reference, first.justification, first.approval_id) == (
        "theft",
        "OP-1",
        "a stolen car",
        "A-1",
    )
    assert (second.code, second.reference, second.justification, second.approval_id) == ("", "", "", "")


async def test_only_the_action_that_creates_a_force_may_name_one_that_does_not_exist() -> None:
    records = FakeRecords()
    auditor = OwnAuditor(records, {(AUDIT_ACTION_CHANGE_FORCES, False)})
    with pytest.raises(NotFound, match="FORCE_UNKNOWN"):
        await auditor.record("kent", "pat", AUDIT_ACTION_SEARCH_READS, PURPOSE, "")
    with pytest.raises(NotFound, match="FORCE_UNKNOWN"):
        await auditor.record("kent", "pat", AUDIT_ACTION_CHANGE_FORCES, PURPOSE, "force kent")
    assert await auditor.record("kent", "pat", AUDIT_ACTION_CHANGE_FORCES, None, "force kent") == 1
