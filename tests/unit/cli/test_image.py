"""Saving a picture: by id or position, once, for its owner's eyes, and recorded."""

import hashlib
import os
from pathlib import Path

import pytest
from gantry.store.v1.search_pb2 import IMAGE_KIND_OVERVIEW, IMAGE_KIND_PLATE_PATCH

from cli.exits import Exit
from tests.unit.cli.fake_suite import LOOK, Command, World, lines_of, stored

JPEG = b"\xff\xd8 a plate \xff\xd9"


@pytest.fixture
def folder(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; the suite has two reads, one of them with a plate patch."""
    world.reads = [stored("AB12CDE", "r1", 7), stored("XY34FGH", "r2", 9)]
    world.images["essex", 7, IMAGE_KIND_PLATE_PATCH] = JPEG
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("words", [("r1",), ("--position", "7", "--force", "essex")], ids=" ".join)
def test_a_picture_is_saved_by_id_or_by_position(
    gantry: Command, world: World, folder: Path, words: tuple[str, ...]
) -> None:
    said = gantry("image", *words, *LOOK)
    file = folder / "essex-7-plate.jpg"
    assert file.read_bytes() == JPEG
    assert file.stat().st_mode & 0o777 == 0o600
    assert "essex-7-plate.jpg: plate picture of the read at position 7 of essex, 13 bytes" in said.stderr
    assert hashlib.sha256(JPEG).hexdigest() in said.stderr
    assert said.stdout == ""
    assert world.purposes == ["Burglary at Mill Lane"]


def test_a_script_gets_the_file_and_its_digest(gantry: Command, folder: Path) -> None:
    told = lines_of(gantry("image", "r1", *LOOK, "--out", str(folder), "--json"))[0]
    assert told == {
        "force": "essex",
        "position": 7,
        "kind": "plate",
        "file": str(folder / "essex-7-plate.jpg"),
        "bytes": len(JPEG),
        "sha256": hashlib.sha256(JPEG).hexdigest(),
    }


def test_no_file_is_overwritten_and_no_look_up_is_recorded_for_nothing(
    gantry: Command, world: World, folder: Path
) -> None:
    there, link = folder / "there.jpg", folder / "link.jpg"
    there.write_text("evidence")
    link.symlink_to(folder / "nowhere")
    for taken in (there, link):
        said = gantry("image", "r1", *LOOK, "--out", str(taken), code=Exit.USAGE).stderr
        assert "is there already and stays as it is" in said
    assert there.read_text() == "evidence"
    assert not (folder / "nowhere").exists()
    missing = str(folder / "no" / "x.jpg")
    assert "there is no folder" in gantry("image", "r1", *LOOK, "--out", missing, code=Exit.USAGE).stderr
    assert world.purposes == []


def test_a_file_that_cannot_be_made_is_a_fault_of_the_command_line(gantry: Command, folder: Path) -> None:
    said = gantry("image", "r1", *LOOK, "--out", "x" * 300, code=Exit.USAGE).stderr
    assert "cannot be made: file name too long; give another --out" in said


def test_a_folder_without_write_access_is_told_before_the_look_up(
    gantry: Command, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.commands.image.os.access", lambda _, mode: mode != os.W_OK)
    for words in ((), ("--out", str(folder)), ("--out", "new.jpg")):
        said = gantry("image", "r1", *LOOK, *words, code=Exit.USAGE).stderr
        assert f"no file can be made in {folder}: give another --out" in said
    assert world.purposes == []


def test_the_default_name_is_not_overwritten_either(gantry: Command, folder: Path) -> None:
    gantry("image", "r1", *LOOK)
    assert "stays as it is" in gantry("image", "r1", *LOOK, code=Exit.USAGE).stderr


def test_a_picture_that_is_absent_is_not_another(gantry: Command, world: World, folder: Path) -> None:
    said = gantry("image", "r2", *LOOK, code=Exit.NOT_FOUND).stderr
    assert "the read at position 9 of essex has no plate picture; try --kind overview" in said
    world.images["essex", 9, IMAGE_KIND_OVERVIEW] = JPEG
    gantry("image", "r2", "--kind", "overview", "--out", "scene.jpg", *LOOK)
    assert (folder / "scene.jpg").read_bytes() == JPEG
    gantry("image", "r3", *LOOK, code=Exit.NOT_FOUND)
    assert sorted(path.name for path in folder.iterdir()) == ["scene.jpg"]


def test_an_id_that_several_reads_have_names_them(gantry: Command, world: World, folder: Path) -> None:
    world.reads += [stored("AB12CDE", "r1", 20 + number) for number in range(30)]
    world.reads.append(stored("XY34FGH", "r1", 3, force="kent"))
    world.reads[-1].read.camera_id = "K9"
    said = gantry("image", "r1", *LOOK, code=Exit.USAGE).stderr
    assert "32 reads have that read_id; say which" in said
    assert "--force essex --position 7: camera C1, captured 2025-03-01 12:00:00" in said
    assert "and 22 more" in said
    assert "AB12CDE" not in said
    world.images["kent", 3, IMAGE_KIND_PLATE_PATCH] = JPEG
    gantry("image", "r1", "--camera", "K9", *LOOK)
    assert (folder / "kent-3-plate.jpg").read_bytes() == JPEG


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "either by its READ or with --position"),
        (("r1", "--position", "7"), "either by its READ or with --position"),
        (("--position", "7"), "say for which force"),
        (("r1", "--kind", "scene"), "--kind scene: say plate or overview"),
    ],
)
def test_a_wrong_command_line_is_explained(
    gantry: Command, folder: Path, words: tuple[str, ...], said: str
) -> None:
    assert said in gantry("image", *words, *LOOK, code=Exit.USAGE).stderr
