"""Images: durable when put says so, found again where they were put."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from chassis.errors import Exhausted, StartupFailure, Unavailable
from services.store.days import US_A_DAY
from services.store.images.objects import ObjectNumbers, made_at_us, object_key, open_images
from services.store.images.packing import EntryImages, ImagePacker, fetch_images, unpack_ref

DAY = date(2026, 3, 1)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files and folders that were made durable, in order."""
    real, seen = os.fsync, []

    def fsync(descriptor: int) -> None:
        seen.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


async def test_a_file_and_every_new_folder_on_its_way_is_synced(tmp_path: Path, synced: list[str]) -> None:
    images = open_images(f"file://{tmp_path}/images")
    root = str(tmp_path / "images")
    assert synced == [str(tmp_path)]
    synced.clear()
    first, second = object_key("essex", DAY, 1), object_key("essex", DAY, 2)
    await images.put(first, b"one")
    assert synced == [f"{root}/{first}", f"{root}/essex/2026-03-01", f"{root}/essex", root]
    synced.clear()
    await images.put(second, b"two")
    assert synced == [f"{root}/{second}", f"{root}/essex/2026-03-01"]
    synced.clear()
    other = object_key("essex", date(2026, 3, 2), 3)
    await images.put(other, b"three")
    assert synced == [f"{root}/{other}", f"{root}/essex/2026-03-02", f"{root}/essex"]


async def test_a_forgotten_day_is_synced_anew(tmp_path: Path, synced: list[str]) -> None:
    images = open_images(f"file://{tmp_path}/images")
    await images.put(object_key("essex", DAY, 1), b"one")
    await images.delete("essex", DAY, [1])
    await images.forget_day("essex", DAY)
    assert await images.days("essex") == []
    synced.clear()
    await images.put(object_key("essex", DAY, 2), b"two")
    assert f"{tmp_path}/images/essex" in synced


async def test_objects_are_listed_and_deleted_by_day(tmp_path: Path) -> None:
    images = open_images(f"file://{tmp_path}/images")
    for number in (5, 2**60, 7):
        await images.put(object_key("essex", DAY, number), b"x")
    await images.put(object_key("essex-2", DAY, 9), b"x")
    assert await images.days("essex") == [DAY]
    assert sorted(await images.numbers("essex", DAY)) == [5, 7, 2**60]
    await images.delete("essex", DAY, [5, 2**60])
    assert await images.numbers("essex", DAY) == [7]
    assert await images.get(object_key("essex", DAY, 5), 0, 1) is None
    assert await images.numbers("kent", DAY) == []
    assert await images.days("kent") == []


async def test_a_full_disk_is_distinguished_from_an_unavailable_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = open_images(f"file://{tmp_path}/images")
    for number, expected in ((28, Exhausted), (5, Unavailable)):

        def fsync(_: int, number: int = number) -> None:
            raise OSError(number, "cannot")

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(expected):
            await images.put(object_key("essex", DAY, 1), b"one")


def test_an_address_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StartupFailure, match="GANTRY_STORE__IMAGES"):
        open_images(f"file://{tmp_path}/file/images")


def test_numbers_grow_and_tell_their_time() -> None:
    numbers = ObjectNumbers()
    drawn = [numbers.next(now) for now in (1_000_000, 1_000_000, 999_000, 2_000_000)]
    assert drawn == sorted(set(drawn))
    assert made_at_us(drawn[0]) == 1_000_000
    assert made_at_us(drawn[-1]) == 2_000_000


async def test_packed_images_are_found_by_their_references(tmp_path: Path) -> None:
    images = open_images(f"file://{tmp_path}/images")
    captured = [US_A_DAY * 20_000, US_A_DAY * 20_000 + 1, US_A_DAY * 20_001, US_A_DAY * 20_000 + 2]
    packer = ImagePacker()
    first = packer.add(captured, [b"p0", b"", b"p2", b""], [b"o0", b"o1", b"", b""])
    second = packer.add(captured, [], [b"", b"o5", b"o6", b"o7"])
    for day, content in zip(packer.days(), packer.contents(), strict=True):
        await images.put(object_key("essex", day, 9), content)
    days = [us // US_A_DAY for us in captured]
    assert await fetch_images(images, "essex", EntryImages(9, days, first)) == (
        [b"p0", b"", b"p2", b""],
        [b"o0", b"o1", b"", b""],
    )
    assert (await fetch_images(images, "essex", EntryImages(9, days, second)))[1] == [
        b"",
        b"o5",
        b"o6",
        b"o7",
    ]
    assert packer.add(captured, [], []) == []


async def test_images_that_are_gone_are_empty(tmp_path: Path) -> None:
    images = open_images(f"file://{tmp_path}/images")
    refs = ImagePacker().add([0], [b"p"], [b"o"])
    assert unpack_ref(refs[0]) == (0, 1, 1)
    assert await fetch_images(images, "essex", EntryImages(9, [0], refs)) == ([b""], [b""])
