"""What people see of a line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from following import ActualState, DesiredState, LineStatus

LIVE = LineStatus("essex", "nas", DesiredState.LIVE, False, "", "a", 1, "", None, None, 5, 9)
SINCE = datetime(2031, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ActualState.RUNNING),
        ({"owner": ""}, ActualState.RUNNING),
        ({"failing_since": SINCE, "last_error": "away"}, ActualState.RETRYING),
        ({"paused": True, "failing_since": SINCE}, ActualState.PAUSED),
        ({"paused": True, "stopped_reason": "refused", "failing_since": SINCE}, ActualState.STOPPED),
        ({"state": DesiredState.SHADOW}, ActualState.RUNNING),
        ({"state": DesiredState.DRAINING}, ActualState.RUNNING),
        ({"state": DesiredState.PLANNED}, ActualState.IDLE),
        ({"state": DesiredState.TESTING}, ActualState.IDLE),
        ({"state": DesiredState.RETIRED, "stopped_reason": "refused"}, ActualState.IDLE),
    ],
)
def test_what_a_line_is_doing(changes: dict[str, Any], expected: ActualState) -> None:
    assert replace(LIVE, **changes).actual is expected


def test_states_are_those_of_the_contract() -> None:
    from gantry.bridge.v1 import bridge_pb2

    desired = {f"DESTINATION_STATE_{each.name}": each.value for each in DesiredState}
    actual = {f"FORWARDER_STATE_{each.name}": each.value for each in ActualState}
    assert desired == _numbers(bridge_pb2.DestinationState)
    assert actual == _numbers(bridge_pb2.ForwarderState)


def _numbers(enum: Any) -> dict[str, int]:
    return {name: number for name, number in enum.items() if number}
