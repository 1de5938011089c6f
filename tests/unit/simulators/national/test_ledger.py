"""The ledger: each read once, durable before the answer, whole after a crash."""

import asyncio
import os
import tracemalloc
from pathlib import Path

import pytest

from simulators.national.index import FILE_NAME as INDEX
from simulators.national.ledger import (
    FILE_NAME,
    Identities,
    Ledger,
    LedgerBusyError,
    Outcome,
    identities_in,
    open_ledger,
)


def reads(
    *read_ids: str, force: str = "essex", camera: str = "A12-1", at: int = 1_763_759_612_000_000
) -> Identities:
    return Identities(force, [camera] * len(read_ids), [at] * len(read_ids), list(read_ids))


async def accepted_in(ledger: Ledger) -> list[tuple[str, str, int, str]]:
    return identities_in(b"".join([piece async for piece in ledger.contents()]).decode())


async def test_a_read_counts_once_however_often_it_is_sent(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        assert await ledger.accept(reads("1", "2")) == Outcome(2, 0, ())
        assert await ledger.accept(reads("2", "3")) == Outcome(1, 1, [])
        assert await ledger.accept(reads("4", "4")) == Outcome(1, 1, [])
        assert ledger.accepted["essex"] == 4
        assert ledger.duplicate["essex"] == 2


async def test_every_part_of_the_identity_tells_reads_apart(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        for each in (reads("1"), reads("1", force="kent"), reads("1", camera="A12-2"), reads("1", at=5)):
            assert (await ledger.accept(each)).accepted == 1


async def test_accepted_reads_are_duplicates_after_a_restart(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.accept(reads("1", "2"))
        await ledger.accept(reads("1", force="kent"))
    async with open_ledger(tmp_path) as ledger:
        assert dict(ledger.accepted) == {"essex": 2, "kent": 1}
        assert (await ledger.accept(reads("1", "2", "3"))).duplicate == 2


async def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.accept(reads("1"))
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write("essex\tA12-1\t17637")
    async with open_ledger(tmp_path) as ledger:
        await ledger.accept(reads("2"))
        assert [read_id for *_, read_id in await accepted_in(ledger)] == ["1", "2"]


async def test_odd_characters_come_back_as_they_were(tmp_path: Path) -> None:
    odd = ["tab\there", "line\nbreak", "back\\slash\\t", "\r", "x\x85\u2028y", "\U0001f697"]
    async with open_ledger(tmp_path) as ledger:
        await ledger.accept(reads(*odd))
    async with open_ledger(tmp_path) as ledger:
        assert [read_id for *_, read_id in await accepted_in(ledger)] == odd
        assert (await ledger.accept(reads(*odd))).duplicate == len(odd)


async def test_a_start_reads_nothing_of_the_ledger_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.accept(reads("1", "2"))
    offsets: list[int] = []
    real = os.pread

    def pread(descriptor: int, length: int, offset: int) -> bytes:
        offsets.append(offset)
        return real(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", pread)
    async with open_ledger(tmp_path) as ledger:
        assert offsets == [ledger.size]
        assert dict(ledger.accepted) == {"essex": 2}


@pytest.mark.parametrize("content", [None, b"", b"no database" * 1000])
async def test_an_index_that_is_missing_or_damaged_is_made_again(
    tmp_path: Path, content: bytes | None
) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.accept(reads("1", "2"))
    (tmp_path / INDEX).unlink()
    if content is not None:
        (tmp_path / INDEX).write_bytes(content)
    async with open_ledger(tmp_path) as ledger:
        assert dict(ledger.accepted) == {"essex": 2}
        assert (await ledger.accept(reads("1", "2", "3"))) == Outcome(1, 2, [])


async def test_an_index_that_knows_more_than_the_ledger_is_not_believed(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.accept(reads("1"))
        whole = ledger.size
        await ledger.accept(reads("2"))
    os.truncate(tmp_path / FILE_NAME, whole)
    async with open_ledger(tmp_path) as ledger:
        assert dict(ledger.accepted) == {"essex": 1}
        assert (await ledger.accept(reads("1", "2"))) == Outcome(1, 1, [])


async def test_memory_does_not_grow_with_the_reads(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        tracemalloc.start()
        try:
            await ledger.accept(reads("warm"))
            before, _ = tracemalloc.get_traced_memory()
            for start in range(0, 20_000, 1_000):
                await ledger.accept(reads(*(str(number) for number in range(start, start + 1_000))))
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert after - before < 500_000, "twenty thousand hashes in a set take more"


async def test_concurrent_repeats_count_once(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        outcomes = await asyncio.gather(*(ledger.accept(reads("1", "2", "3")) for _ in range(20)))
        assert sum(outcome.accepted for outcome in outcomes) == 3
        assert sum(outcome.duplicate for outcome in outcomes) == 57


async def test_the_file_is_synced_before_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        synced.append((tmp_path / FILE_NAME).stat().st_size)

    async with open_ledger(tmp_path) as ledger:
        monkeypatch.setattr(os, "fsync", fsync)
        await ledger.accept(reads("1"))
        assert synced == [ledger.size]


async def test_a_failed_write_accepts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "no space left")

    async with open_ledger(tmp_path) as ledger:
        await ledger.accept(reads("1"))
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", fail)
            with pytest.raises(OSError, match="no space"):
                await ledger.accept(reads("2"))
        assert (await ledger.accept(reads("1", "2"))) == Outcome(1, 1, [])
        assert [read_id for *_, read_id in await accepted_in(ledger)] == ["1", "2"]


async def test_refusals_are_the_same_ones_each_time_and_never_of_accepted_reads(tmp_path: Path) -> None:
    many = reads(*(str(number) for number in range(1000)))
    async with open_ledger(tmp_path) as ledger:
        first = await ledger.accept(many, refuse_every=10)
        assert 50 < len(first.refused) < 200
        assert first.accepted == 1000 - len(first.refused)
        again = await ledger.accept(many, refuse_every=10)
        assert list(again.refused) == list(first.refused)
        assert again.duplicate == first.accepted


async def test_poison_is_in_the_same_reads_each_time(tmp_path: Path) -> None:
    many = [reads(str(number)) for number in range(1000)]
    async with open_ledger(tmp_path) as ledger:
        poisoned = [each for each in many if ledger.poisoned(each, 10)]
        assert 50 < len(poisoned) < 200
        assert all(ledger.poisoned(each, 10) for each in poisoned)
        assert not any(ledger.poisoned(each, 0) for each in many)


async def test_one_folder_has_one_writer(tmp_path: Path) -> None:
    async with open_ledger(tmp_path):
        with pytest.raises(LedgerBusyError, match="its own"):
            async with open_ledger(tmp_path):
                pass
