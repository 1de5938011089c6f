"""Forces and subjects, found in messages by the paths of the contracts."""

from __future__ import annotations

from typing import Any

import pytest
from gantry.bridge.v1.bridge_pb2 import AddDestinationRequest
from gantry.ingest.v1.cameras_pb2 import EnrolCamerasRequest, SetCameraEnabledRequest
from gantry.match.v1.hotlist_pb2 import ImportHotlistRequest
from gantry.store.v1.search_pb2 import (
    IMAGE_KIND_PLATE_PATCH,
    GetImageRequest,
    GetReadRequest,
    SearchReadsRequest,
)
from google.protobuf.message import Message

from chassis.errors import InvalidInput
from policy.fields import LONGEST_SUBJECT, chain_of, force_codes, subject_of


def _forces(request: Message, path: str) -> Any:
    return force_codes(request.DESCRIPTOR, path)(request)


def _subject(request: Message, *paths: str) -> str:
    return subject_of(request.DESCRIPTOR, paths)(request)


def test_forces_stand_in_a_field_in_a_repeated_field_or_in_a_message_inside():
    assert _forces(GetReadRequest(force="essex"), "force") == ["essex"]
    assert _forces(SearchReadsRequest(forces=["essex", "kent"]), "forces") == ["essex", "kent"]
    header = ImportHotlistRequest(header={"force": "kent"})
    assert _forces(header, "header.force") == ["kent"]


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (GetReadRequest(), "force"),
        (GetReadRequest(force="Essex"), "force"),
        (GetReadRequest(force="essex\n"), "force"),
        (SearchReadsRequest(), "forces"),
        (SearchReadsRequest(forces=["essex", ""]), "forces"),
        (SearchReadsRequest(forces=["essex"] * 101), "forces"),
        (ImportHotlistRequest(chunk=b"essex"), "header.force"),
    ],
)
def test_what_is_no_code_is_refused(request_: Message, path: str):
    with pytest.raises(InvalidInput, match="FORCE_INVALID") as raised:
        _forces(request_, path)
    assert raised.value.field == path


def test_a_subject_names_each_field_with_its_value():
    image = GetImageRequest(position=7, kind=IMAGE_KIND_PLATE_PATCH)
    assert _subject(image, "position", "kind") == "position 7, kind IMAGE_KIND_PLATE_PATCH"
    added = AddDestinationRequest(destination={"name": "nas-2", "adapter": "nas"})
    assert _subject(added, "destination.name", "destination.adapter") == "name nas-2, adapter nas"


def test_a_field_of_a_oneof_that_is_not_set_is_left_out():
    assert _subject(GetReadRequest(position=0), "position", "read_id") == "position 0"
    assert _subject(GetReadRequest(read_id="r-1"), "position", "read_id") == "read_id r-1"
    assert _subject(GetReadRequest(), "position", "read_id") == ""


def test_false_is_told_and_an_empty_text_is_not():
    assert _subject(SetCameraEnabledRequest(camera_id="c1"), "camera_id", "enabled") == (
        "camera_id c1, enabled false"
    )
    assert _subject(SetCameraEnabledRequest(enabled=True), "camera_id", "enabled") == "enabled true"


@pytest.mark.parametrize(("typed", "told"), [("ab12 cde", "AB12CDE"), ("not-a plate!", "not-a plate!")])
def test_a_plate_is_normalised_when_it_can_be(typed: str, told: str):
    assert _subject(SearchReadsRequest(vrm=typed), "vrm") == f"vrm {told}"


def test_many_values_are_named_up_to_ten():
    cameras = [{"camera_id": f"c{number}"} for number in range(13)]
    request = EnrolCamerasRequest(feed="north", cameras=cameras)
    listed = " ".join(f"c{number}" for number in range(10))
    assert _subject(request, "feed", "cameras.camera_id") == (f"feed north, camera_id {listed} and 3 more")


def test_an_unknown_number_of_an_enum_is_shown_as_a_number():
    assert _subject(GetImageRequest(kind=99), "kind") == "kind 99"


def test_control_characters_are_removed_and_the_length_is_bounded():
    assert _subject(GetReadRequest(read_id="a\x00b\nc\u2028d"), "read_id") == "read_id abcd"
    long = _subject(GetReadRequest(read_id="é" * 2_000), "read_id")
    assert len(long) == LONGEST_SUBJECT
    assert long.endswith("...")


def test_a_path_that_is_not_there_is_refused():
    for path in ("nowhere", "force.code", "purpose.nowhere", ""):
        with pytest.raises(ValueError, match="has no field"):
            chain_of(GetReadRequest.DESCRIPTOR, path)
