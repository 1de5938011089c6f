"""A parcel cut in parts loses nothing, doubles nothing and keeps every list in step."""

from gantry.store.v1.store_pb2 import ReadBatch

from services.nas_bridge.intake import Parcel
from services.nas_bridge.parts import halves, rest_after
from tests.unit.nas_bridge.reads import make_batch, make_columns


def parcel(*batches: ReadBatch) -> Parcel:
    return Parcel(batches, batches[-1].positions[-1] + 3, 90)


def rows(part: Parcel) -> list[tuple[object, ...]]:
    found = []
    for batch in part.batches:
        run = batch.reads
        cameras = [run.camera_ids[index] for index in run.camera_indexes]
        columns = (run.read_ids, run.captured_at_us, run.vrms, run.confidences, run.latitudes_e7)
        optional = [run.headings or [None] * len(cameras), run.plate_patches or [None] * len(cameras)]
        found += list(zip(batch.positions, cameras, *columns, *optional, strict=True))
    return found


PICTURES = ReadBatch(
    reads=make_columns(["a", "b", "c"], headings=[1, 2, 360], plate_patches=[b"1", b"", b"3"]),
    positions=[10, 12, 15],
    traceparent="t",
    received_at_us=7,
)


def test_halves_make_up_the_whole_down_to_single_reads() -> None:
    whole = parcel(make_batch(1, 4), make_batch(5, 1), PICTURES)

    def singles(part: Parcel) -> list[Parcel]:
        return [part] if part.reads == 1 else [one for half in halves(part) for one in singles(half)]

    parts = singles(whole)
    assert [row for part in parts for row in rows(part)] == rows(whole)
    assert [part.position for part in parts] == [1, 2, 3, 4, 5, 10, 12, whole.position]
    last = parts[-1].batches[0]
    assert (last.traceparent, last.received_at_us) == ("t", 7)


def test_what_lies_after_a_position() -> None:
    whole = parcel(make_batch(1, 4), PICTURES)
    assert rest_after(whole, 0) is whole
    for position, left in ((1, 6), (4, 3), (9, 3), (10, 2), (14, 1)):
        rest = rest_after(whole, position)
        assert rows(rest) == rows(whole)[-left:]
        assert rest.position == whole.position
