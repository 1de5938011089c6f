"""Reads in columns, as the log has them."""

from collections.abc import Sequence

from gantry.common.v1.read_columns_pb2 import ReadColumns

from reads.appended import Appended, encoded_appended
from reads.traced import Traced


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


def encoded(columns: ReadColumns, positions: Sequence[int], traceparent: str = "") -> bytes:
    """A serialised AppendedReads."""
    traced = [Traced(traceparent, positions[0], positions[-1])] if traceparent else []
    return encoded_appended(columns.SerializeToString(), positions, traced, received_at_us=7)


def make_encoded(first: int, count: int, traceparent: str = "") -> bytes:
    """A serialised AppendedReads with reads named after their positions."""
    positions = range(first, first + count)
    return encoded(make_columns([f"r{position}" for position in positions]), positions, traceparent)


def make_append(first: int, count: int) -> Appended:
    return Appended(make_encoded(first, count))
