"""A read's trace leads from the camera's batch to the national service's receipt."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.nas_bridge.names import SpanName
from simulators.national.names import SpanName as NationalSpanName
from tests.contract.nas_bridge.conftest import Stage, until

FIRST = "00-11111111111111111111111111111111-2222222222222222-01"
SECOND = "00-33333333333333333333333333333333-4444444444444444-01"
UNSAMPLED = "00-55555555555555555555555555555555-6666666666666666-00"


def spans_in(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.parametrize(
    ("destination", "accept"), [("nas", NationalSpanName.NAS_ACCEPT), ("nadc", NationalSpanName.NADC_ACCEPT)]
)
async def test_batch_delivery_and_receipt_are_one_trace(
    stage: Stage, tmp_path: Path, destination: str, accept: NationalSpanName
) -> None:
    file = tmp_path / "spans.jsonl"
    for traceparent in (UNSAMPLED, FIRST, SECOND):
        await stage.store.grow("essex", 3, traceparent)
    await stage.start_bridge(spans_file=file, gather_seconds=0.3)
    await stage.until_delivered()
    receipt = await (await stage.client()).receipt("essex", destination, 9)
    await until(lambda: len(spans_in(file)) >= 14)
    await stage.stop_bridges()
    spans = [span for span in spans_in(file) if span["trace_id"] == "1" * 32]
    (forward,) = [
        span
        for span in spans
        if span["name"] == SpanName.BRIDGE_FORWARD and span["attributes"]["destination"] == destination
    ]
    assert forward["parent_span_id"] == "2" * 16
    assert forward["links"] == [{"trace_id": "3" * 32, "span_id": "4" * 16}]
    assert receipt.traceparent == f"00-{'1' * 32}-{forward['span_id']}-01"
    by_id = {span["span_id"]: span for span in spans}
    (accepted,) = [span for span in spans if span["name"] == accept]
    if destination == "nadc":
        posted = by_id[accepted["parent_span_id"]]
        assert posted["name"] == SpanName.BRIDGE_POST
        assert posted["attributes"]["http.response.status_code"] == 200
    above = accepted
    while above["span_id"] != forward["span_id"]:
        above = by_id[above["parent_span_id"]]
    (kept,) = [
        span
        for span in spans
        if span["name"] == SpanName.BRIDGE_RECEIPT and span["parent_span_id"] == forward["span_id"]
    ]
    assert kept["start_ns"] >= accepted["start_ns"]
    # The other batch of the same delivery has a whole trace of its own.
    others = [span for span in spans_in(file) if span["trace_id"] == "3" * 32]
    (other,) = [span for span in others if span["attributes"].get("destination") == destination]
    assert (other["parent_span_id"], other["end_ns"]) == ("4" * 16, forward["end_ns"])
    assert other["links"] == [{"trace_id": "1" * 32, "span_id": forward["span_id"]}]
    below = [span["name"] for span in others if span["parent_span_id"] == other["span_id"]]
    assert sorted(below) == sorted([SpanName.BRIDGE_RECEIPT, accept])
