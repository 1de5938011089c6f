"""What a program gives wrongly is named: which argument, what it is, what is wanted, and what to do."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gantry_sdk import Connection, FeedClient, ReadDetails, ReadStream, StreamLimits, prepare, read
from gantry_sdk.backoff import Backoff

SEEN = datetime(2026, 11, 27, 11, 0, tzinfo=UTC)
GOOD: dict[str, Any] = {"camera_id": "C1", "read_id": "r1", "captured_at": SEEN, "vrm": "AB12CDE"}
PLATE = "AB12CDE"
WRONG: list[tuple[str, Any, type[Exception], str]] = [
    ("vrm", PLATE.encode(), TypeError, "vrm should be str, got bytes; decode it: .decode()"),
    ("vrm", None, TypeError, "vrm should be str, got None; leave the read out when it has none"),
    ("vrm", 123456, TypeError, "vrm should be str, got int; use str(...)"),
    ("vrm", f"{PLATE}\ud800", ValueError, "vrm has characters that are no text"),
    ("camera_id", 17, TypeError, "camera_id should be str, got int"),
    ("camera_id", Path("C1"), TypeError, "camera_id should be str, got pathlib.PosixPath"),
    ("read_id", 17, TypeError, "read_id should be str, got int; use str(...)"),
    ("force", None, TypeError, "force should be str, got None"),
    ("captured_at", SEEN.replace(tzinfo=None), ValueError, "captured_at is a datetime without a time zone"),
    (
        "captured_at",
        None,
        TypeError,
        "captured_at should be a datetime with a time zone, or int microseconds",
    ),
    ("captured_at", "2026-11-27T11:00:00Z", TypeError, "got str; parse it: datetime.fromisoformat(...)"),
    ("captured_at", SEEN.timestamp(), TypeError, "got float; for seconds since 1970 use int(seconds"),
    ("captured_at", int(SEEN.timestamp()), ValueError, "seems to be seconds since 1970"),
    ("captured_at", int(SEEN.timestamp() * 1e3), ValueError, "seems to be milliseconds since 1970"),
    ("captured_at", int(SEEN.timestamp() * 1e9), ValueError, "seems to be nanoseconds since 1970"),
    ("captured_at", np.int64(1), TypeError, "got numpy.int64; convert it first"),
    ("captured_at", np.datetime64("2026-11-27T11:00"), TypeError, "got numpy.datetime64"),
    ("captured_at", True, TypeError, "got bool"),
    ("captured_at", SEEN.date(), TypeError, "got datetime.date"),
    ("confidence", "0.97", TypeError, "confidence should be float, got str; use float(...)"),
    ("confidence", None, TypeError, "confidence should be float, got None; leave it out"),
    (
        "confidence",
        np.float32(0.9),
        TypeError,
        "confidence should be float, got numpy.float32; use float(...)",
    ),
    ("confidence", True, TypeError, "a truth value is no number"),
    ("heading", 90.5, TypeError, "heading should be int, got float; round it"),
    ("heading", "N", TypeError, "heading should be int, got str"),
    ("heading", -1, ValueError, "heading should be from 0 to 359 degrees, with 0 for north; got -1"),
    ("heading", 360, ValueError, "heading should be from 0 to 359 degrees"),
    (
        "details",
        {"lane": 1},
        TypeError,
        "details should be ReadDetails, got dict; make them with ReadDetails",
    ),
    ("plate_patch", "plate.jpg", TypeError, "plate_patch should be bytes, got str; read the file first"),
    ("plate_patch", Path("plate.jpg"), TypeError, "read it first: .read_bytes()"),
    ("overview", None, TypeError, "overview should be bytes, got None; leave it out when it is not known"),
    ("overview", np.zeros(3), TypeError, "overview should be bytes, got numpy.ndarray; give the bytes"),
]


@pytest.mark.parametrize(("field", "value", "kind", "said"), WRONG, ids=lambda value: repr(value)[:24])
def test_a_wrong_argument_is_named(field: str, value: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=re.escape(said)) as raised:
        read(**GOOD | {field: value})
    assert str(raised.value).startswith(field)
    chain = (raised.value, raised.value.__cause__, None if raised.value.__suppress_context__ else "")
    assert PLATE not in repr(chain)


def test_every_argument_of_a_read_is_tried() -> None:
    tried = {field for field, *_ in WRONG} | {"latitude", "longitude"}
    assert tried == set(read.__kwdefaults__ or {}) | set(GOOD)


@pytest.mark.parametrize("place", [("51.7", 0.5), (51.7, "0.5"), (np.float32(51), 0.5)])
def test_a_wrong_place_is_named(place: tuple[Any, Any]) -> None:
    with pytest.raises(TypeError, match=r"(latitude|longitude) should be float, got \w"):
        read(**GOOD, latitude=place[0], longitude=place[1])
    with pytest.raises(ValueError, match="give both latitude and longitude, or neither"):
        read(**GOOD, latitude=51.7)


def test_what_is_good_enough_is_taken() -> None:
    made = read(
        **GOOD,
        confidence=1,
        latitude=np.float64(51.7),
        longitude=0,
        overview=bytearray(b"\xff"),  # type: ignore[arg-type]
        plate_patch=memoryview(b"\xfe"),  # type: ignore[arg-type]
        details=ReadDetails(lane=1),
    )
    assert (made.confidence, made.overview, made.plate_patch, made.details.lane) == (1.0, b"\xff", b"\xfe", 1)


BATCHES = [
    (read(**GOOD), "got one read; put it into brackets: [read]"),
    ((one for one in [read(**GOOD)]), "got generator; make a list of it: list(...)"),
    ({"vrm": PLATE}, "got dict; make a list of it"),
    (PLATE, "got str"),
    (None, "got None; give a list of reads"),
    ([read(**GOOD), {"vrm": PLATE}], "read 1 of the batch is dict; make it with gantry_sdk.read(...)"),
    ([None], "read 0 of the batch is None"),
]


@pytest.mark.parametrize(("batch", "said"), BATCHES, ids=lambda value: repr(value)[:24])
async def test_what_is_no_batch_is_named(batch: Any, said: str) -> None:
    async with _connection() as connection:
        feed = connection.feed("gf_x")
        stream = ReadStream(feed._endpoint, (), limits=StreamLimits(), backoff=Backoff(), on_receipt=None)
        for give in (lambda: _now(prepare, batch), lambda: feed.submit(batch), lambda: stream.send(batch)):
            with pytest.raises(TypeError, match=re.escape(said)) as raised:
                await give()
            assert PLATE not in str(raised.value)


@pytest.mark.parametrize(
    ("token", "kind", "said"),
    [
        ("gf_secret\n", ValueError, "token has a blank, a line break or another odd character; use .strip()"),
        (" gf_secret", ValueError, "use .strip()"),
        ("gf_secret\u200b", ValueError, "use .strip()"),
        ("", ValueError, "token is empty"),
        (b"gf_secret", TypeError, "token should be str, got bytes; decode it"),
        (Path("feed.token"), TypeError, "read it: .read_text().strip()"),
        (None, TypeError, "token should be str, got None"),
    ],
)
async def test_a_wrong_token_is_named_and_not_shown(token: Any, kind: type[Exception], said: str) -> None:
    async with _connection() as connection:
        with pytest.raises(kind, match=re.escape(said)) as raised:
            connection.feed(token)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("target", "authority", "said"),
    [
        ("localhost:7443", "ca.pem", "authority should be bytes or Path, got str; use Path(...) for a file"),
        ("localhost:7443", None, "authority should be bytes or Path, got None"),
        ("localhost", b"", "target should be HOST:PORT"),
        ("https://localhost:7443", b"", "target should be HOST:PORT"),
        (7443, b"", "target should be str, got int"),
    ],
)
def test_a_wrong_server_is_named(target: Any, authority: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(said)):
        Connection(target, authority=authority)


def test_a_feed_is_made_without_a_connection_too() -> None:
    with pytest.raises(ValueError, match="strip"):
        FeedClient(None, "gf_x\n")  # type: ignore[arg-type]


def _connection() -> Connection:
    return Connection("localhost:1", authority=b"-----BEGIN CERTIFICATE-----")


async def _now(function: Any, *arguments: Any) -> Any:
    return function(*arguments)
