"""A part that is cut loses nothing, doubles nothing and keeps every column in step."""

from following import Part
from reads.appended import Appended
from services.nas_bridge.forwarding.halving import halves, rest_after
from tests.unit.nas_bridge.reads import encoded, make_append, make_columns


def part(*items: Appended) -> Part[Appended]:
    return Part(items, items[-1].last + 3, 90)


def rows(cut: Part[Appended]) -> list[tuple[object, ...]]:
    found = []
    for item in cut.items:
        run = item.columns
        cameras = [run.camera_ids[index] for index in run.camera_indexes]
        columns = (run.read_ids, run.captured_at_us, run.vrms, run.confidences, run.latitudes_e7)
        optional = [run.headings or [None] * len(cameras), run.plate_patches or [None] * len(cameras)]
        found += list(zip(item.positions, cameras, *columns, *optional, strict=True))
    return found


PICTURES = Appended(
    encoded(
        make_columns(["a", "b", "c"], headings=[1, 2, 360], plate_patches=[b"1", b"", b"3"]),
        [10, 12, 15],
        "t",
    )
)


def test_halves_make_up_the_whole_down_to_single_reads() -> None:
    whole = part(make_append(1, 4), make_append(5, 1), PICTURES)

    def singles(cut: Part[Appended]) -> list[Part[Appended]]:
        return [cut] if cut.count == 1 else [one for half in halves(cut) for one in singles(half)]

    parts = singles(whole)
    assert [row for cut in parts for row in rows(cut)] == rows(whole)
    assert [cut.position for cut in parts] == [1, 2, 3, 4, 5, 10, 12, whole.position]
    last = parts[-1].items[0]
    assert (last.traceparent, last.received_at_us) == ("t", 7)


def test_an_append_that_is_not_cut_is_not_parsed() -> None:
    whole = part(make_append(1, 4), make_append(5, 4))
    first, second = halves(whole)
    assert (first.items[0], second.items[0]) == (whole.items[0], whole.items[1])


def test_entries_after_a_position() -> None:
    whole = part(make_append(1, 4), PICTURES)
    assert rest_after(whole, 0) is whole
    for position, left in ((1, 6), (4, 3), (9, 3), (10, 2), (14, 1)):
        rest = rest_after(whole, position)
        assert rows(rest) == rows(whole)[-left:]
        assert rest.position == whole.position
