"""Services' errors in the words of the command line, not of the wire."""

import pytest

from chassis.errors import InvalidInput, NotFound
from cli.faults import explained, from_fault
from suite.errors import SuiteError


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (InvalidInput("CAMERA_INVALID", "feed: should be short", field="feed"), "--feed: should be short"),
        (InvalidInput("HOTLIST_INVALID", "name is long", field="header.name"), "--name: name is long"),
        (InvalidInput("TEXT_INVALID", "note is long", field="note"), "--note: note is long"),
        (InvalidInput("VRM_INVALID", "a VRM is short", field="vrm"), "a VRM is short"),
        (NotFound("ALERT_UNKNOWN", "no such alert", field="alert_id"), "no such alert"),
        (NotFound("FORCE_UNKNOWN", "not served", field="force"), "--force: not served"),
        (
            InvalidInput("D", "destination.adapter names none", field="destination.adapter"),
            "--adapter names none",
        ),
        (InvalidInput("NEW", "is new", field="some.field"), "is new (some.field)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_fields_are_named_as_options(fault: InvalidInput | NotFound, said: str) -> None:
    assert from_fault(fault).message == said


def test_the_lines_of_a_log_stay_lines() -> None:
    error = explained(SuiteError("store did not start; the end of its log:\nfirst\nsecond"))
    assert (error.message, error.more) == (
        "store did not start; the end of its log:",
        ("first", "second"),
    )
