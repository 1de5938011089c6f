"""Reads in columns, as the log has them."""

from collections.abc import Sequence

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1.store_pb2 import ReadBatch


def make_columns(read_ids: Sequence[str], **columns: object) -> ReadColumns:
    count = len(read_ids)
    filled: dict[str, object] = {
        "camera_ids": ["A12-1", "M25-J28"],
        "camera_indexes": [number % 2 for number in range(count)],
        "read_ids": read_ids,
        "captured_at_us": [1_763_759_612_000_007 + number for number in range(count)],
        "vrms": ["AB12CDE"] * count,
        "confidences": [0.97] * count,
        "latitudes_e7": [517_355_123] * count,
        "longitudes_e7": [-4_691_234] * count,
    }
    return ReadColumns(**{**filled, **columns})  # type: ignore[arg-type]


def make_batch(first: int, count: int, traceparent: str = "") -> ReadBatch:
    positions = range(first, first + count)
    return ReadBatch(
        reads=make_columns([f"r{position}" for position in positions]),
        positions=positions,
        traceparent=traceparent,
    )
