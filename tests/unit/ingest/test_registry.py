"""The registry in memory, the counts, and whether the store answers."""

from __future__ import annotations

import pytest

from chassis.errors import Unavailable
from services.ingest.availability import StoreAvailability
from services.ingest.registry import UNKNOWN_E7, Registry, feeds_from, token_key
from services.ingest.tallies import Tallies


def row(feed: str, camera_id: str | None, **fields: object) -> dict[str, object]:
    place = {"enabled": True, "latitude": None, "longitude": None}
    return {
        "force": "essex",
        "feed": feed,
        "token_sha256": token_key(feed),
        "camera_id": camera_id,
        **place,
        **fields,
    }


def test_feeds_from_rows() -> None:
    feeds = feeds_from(
        [
            row("one", "a", latitude=51.5, longitude=-0.1),
            row("one", "b", enabled=False),
            row("two", None, enabled=None),
        ]
    )
    one, two = feeds[token_key("one")], feeds[token_key("two")]
    assert (set(one.cameras), set(one.live), two.cameras) == ({"a", "b"}, {"a"}, {})
    assert (one.cameras["a"].latitude_e7, one.cameras["a"].longitude_e7) == (515_000_000, -1_000_000)
    assert one.cameras["b"].latitude_e7 == UNKNOWN_E7


def test_a_change_is_told() -> None:
    registry, told = Registry(), []
    registry.on_change(lambda: told.append(registry.version))
    assert not registry.loaded
    registry.replace(3, feeds_from([row("one", "a")]))
    assert told == [3]
    assert registry.loaded
    assert registry.find("one")[1] is not None
    assert registry.find("other")[1] is None


def test_tallies_survive_a_failed_write() -> None:
    tallies = Tallies()
    tallies.appended("essex", ["a", "b", "a"], [10, 20, 30], [2], 99)
    tallies.rejected("essex", "a", 3)
    taken = tallies.take()
    assert tallies.take() == {}
    tallies.appended("essex", ["a"], [5], [], 100)
    tallies.put_back(taken)
    kept = tallies.take()
    a = kept["essex", "a"]
    assert (a.accepted, a.duplicate, a.last_received_us, a.last_captured_us) == (2, 1, 100, 5)
    assert a.rejected == {3: 1}
    assert (kept["essex", "b"].accepted, kept["essex", "b"].last_captured_us) == (1, 20)


def test_the_circuit_opens_probes_and_closes() -> None:
    now = [0.0]
    availability = StoreAvailability(10.0, lambda: now[0])
    availability.check()
    assert availability.patience == 10.0
    availability.failed()
    with pytest.raises(Unavailable) as caught:
        availability.check()
    assert caught.value.reason == "STORE_UNAVAILABLE"
    assert caught.value.retry_after >= 1.0
    now[0] = 1.5
    availability.check()
    assert availability.patience < 10.0
    availability.worked()
    assert availability.patience == 10.0
