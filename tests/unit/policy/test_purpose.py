"""One check of purposes."""

from __future__ import annotations

import pytest
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.match.v1.hotlist_pb2 import ImportHotlistRequest

from chassis.errors import InvalidInput
from policy.purpose import purpose_at, require_purpose

USABLE = {"justification": "Burglary in Colchester"}


@pytest.mark.parametrize(
    "fields",
    [
        USABLE,
        {"justification": "abc"},
        {"justification": "é" * 500},
        {**USABLE, "code": "a-1" * 13, "reference": "r" * 100, "approval_id": "a" * 64},
    ],
)
def test_it_is_usable(fields: dict[str, str]):
    require_purpose(Purpose(**fields))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "justification"),
        ({"justification": "  a b  "[:4]}, "justification"),
        ({"justification": "ab"}, "justification"),
        ({"justification": "x" * 501}, "justification"),
        ({"justification": "ab\0cd"}, "justification"),
        ({"justification": "ab\ncd"}, "justification"),
        ({**USABLE, "code": "Crime"}, "code"),
        ({**USABLE, "code": "x" * 41}, "code"),
        ({**USABLE, "code": "crime\n"}, "code"),
        ({**USABLE, "reference": "r" * 101}, "reference"),
        ({**USABLE, "reference": "r\x7f"}, "reference"),
        ({**USABLE, "approval_id": "a" * 65}, "approval_id"),
        ({**USABLE, "approval_id": "\t"}, "approval_id"),
    ],
)
def test_it_is_not_usable(fields: dict[str, str], field: str):
    with pytest.raises(InvalidInput, match="PURPOSE_REQUIRED") as raised:
        require_purpose(Purpose(**fields))
    assert raised.value.field == f"purpose.{field}"


def test_it_is_found_in_a_request_and_the_field_at_fault_is_named_by_its_path():
    find = purpose_at(ImportHotlistRequest.DESCRIPTOR, "header.purpose")
    request = ImportHotlistRequest()
    request.header.purpose.justification = "Operation"
    assert find(request).justification == "Operation"
    header = ImportHotlistRequest(header={})
    for lacking in (ImportHotlistRequest(), header, ImportHotlistRequest(chunk=b"x")):
        with pytest.raises(InvalidInput) as raised:
            find(lacking)
        assert raised.value.field == "header.purpose.justification"
