"""The demo's own idea of which alerts must come."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.demo.expected import Entry, ExpectedAlert, Seen, expected_alerts, mistaken, read_hotlist

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


def seen(vrm: str, force: str = "essex", read_id: str = "r1") -> Seen:
    return Seen((force, "C1", 1, read_id), vrm)


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        ("AB12CDE", "AB12CDE", True),
        ("AB12CDE", "A812CDE", True),
        ("AO51SGD", "A05IS6Q", True),
        ("AB12CDE", "AB13CDE", False),
        ("AB12CDE", "AB12CD", False),
        ("B", "S", False),
    ],
)
def test_characters_that_cameras_confuse(one: str, other: str, verdict: bool) -> None:
    assert mistaken(one, other) is verdict


def test_exact_and_near_matches_of_the_own_force_only() -> None:
    entries = [
        Entry("essex", "list", "AB12CDE"),
        Entry("essex", "list", "A812CDE"),
        Entry("kent", "list", "AB12CDE"),
    ]
    identity = seen("AB12CDE").identity
    assert expected_alerts([seen("AB12CDE"), seen("AB12CDE")], entries, NOW) == {
        ExpectedAlert(identity, "list", "AB12CDE", near=False),
        ExpectedAlert(identity, "list", "A812CDE", near=True),
    }


def test_an_entry_past_its_weed_date_raises_nothing() -> None:
    gone = Entry("essex", "list", "AB12CDE", until=datetime(2025, 3, 1, tzinfo=UTC))
    assert expected_alerts([seen("AB12CDE")], [gone], NOW) == set()


def test_a_hotlist_is_read_as_the_contract_says(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        "vrm,reason,weed_date\nab12 cde,x,2025-03-01\nXY34FGH,y,\nAB12CDE,z,2025-03-02T10:00:00Z\n"
    )
    assert read_hotlist(path, "essex", "list") == [
        Entry("essex", "list", "AB12CDE", datetime(2025, 3, 2, 10, tzinfo=UTC)),
        Entry("essex", "list", "XY34FGH", None),
    ]
    path.write_text("vrm,reason,weed_date\nab12 cde,x,2025-03-01\n")
    assert read_hotlist(path, "essex", "list")[0].until == datetime(2025, 3, 2, tzinfo=UTC), (
        "a date is its end"
    )
