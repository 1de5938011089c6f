"""What is appended is what followers get: from memory, from the database, and across the two."""

from __future__ import annotations

from tests.contract.store.conftest import RunningStore
from tests.contract.store.following import collect
from tests.contract.store.reads import columns


async def test_reads_come_back_as_they_went_in(store: RunningStore) -> None:
    ingest, match = await store.service("ingest"), await store.service("match")
    sent = columns(6, at_us=store.clock())
    answer = await ingest.append("essex", sent)
    assert (list(answer.duplicate_indexes), answer.last_position) == ([], 6)
    live = await collect(match, "essex", after=0, reads=6)
    assert [batch.reads for batch in live] == [sent]
    assert list(live[0].positions) == [1, 2, 3, 4, 5, 6]
    assert abs(live[0].received_at_us - store.clock()) < 60_000_000
