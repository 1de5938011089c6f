"""Feeds and cameras in memory. Every message from a vendor is checked against them.

The whole registry is replaced at once when it changed in the database, so one state applies to a message.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gantry.ingest.v1.cameras_pb2 import CAMERA_KIND_UNSPECIFIED

from chassis.errors import Unauthenticated
from chassis.identity import Caller
from reads.canary import CANARY
from reads.columns import PLACE_UNKNOWN
from reads.read import e7
from services.ingest.cameras.expectation import USUAL_RULES, Box, ForceRules, expected_box, is_inside

_NOT_LOADED: Final = -1


@dataclass(slots=True, frozen=True)
class Camera:
    """The values of a camera that the check of a read needs. The place is in 1e-7 degrees."""

    camera_id: str
    enabled: bool
    latitude_e7: int = PLACE_UNKNOWN
    longitude_e7: int = PLACE_UNKNOWN
    kind: int = CAMERA_KIND_UNSPECIFIED


@dataclass(slots=True, eq=False)
class Feed:
    """A feed and the cameras that it carries, by camera_id."""

    force: str
    name: str
    cameras: dict[str, Camera] = field(default_factory=dict)
    enabled: dict[str, Camera] = field(default_factory=dict)
    """The cameras that are switched on."""
    rules: ForceRules = USUAL_RULES
    expected: dict[str, Box] = field(default_factory=dict)
    """Where positions of a camera are expected. Absent: anywhere."""
    misplaced: set[str] = field(default_factory=set)
    """Cameras whose enrolled place lies outside the area of the force."""
    number: int = field(init=False)
    """A hash of the name. It is the same in every process and after every change of the registry."""
    canary: bool = field(init=False)
    """Whether its reads are canaries, by which the service tests itself."""

    def __post_init__(self) -> None:
        self.number = zlib.crc32(self.name.encode())
        self.canary = self.name == CANARY

    def add(self, camera: Camera) -> None:
        """Let the feed carry a camera."""
        self.cameras[camera.camera_id] = camera
        if camera.enabled:
            self.enabled[camera.camera_id] = camera
        self._expect(camera)

    def follow(self, rules: ForceRules) -> None:
        """Check reads by these rules from now on. Canaries are checked by the usual rules of all forces."""
        if rules != self.rules and not self.canary:
            self.rules = rules
            self.expected.clear()
            self.misplaced.clear()
            for camera in self.cameras.values():
                self._expect(camera)

    def _expect(self, camera: Camera) -> None:
        area, latitude, longitude = self.rules.area, camera.latitude_e7, camera.longitude_e7
        box = expected_box(camera.kind, latitude, longitude, area)
        if box is not None:
            self.expected[camera.camera_id] = box
        if area is not None and latitude != PLACE_UNKNOWN and not is_inside(latitude, longitude, area):
            self.misplaced.add(camera.camera_id)


@dataclass(frozen=True)
class FeedCaller(Caller):
    """A feed as the caller of an RPC. `key` is the key of its token."""

    key: bytes = b""


class FeedDirectory:
    """The feeds by the keys of their tokens. Implements `chassis.access.FeedTokens`.

    Feeds of retired forces are left out. `changed` is set at the next change. Take it before `version`, so
    that no change between the two is missed.
    """

    def __init__(self) -> None:
        self.feeds: Mapping[bytes, Feed] = {}
        self.version = _NOT_LOADED
        self.changed = asyncio.Event()
        self._all: Mapping[bytes, Feed] = {}
        self._retired: frozenset[str] = frozenset()
        self._rules: Mapping[str, ForceRules] = {}
        self._listeners: list[Callable[[], None]] = []

    @property
    def loaded(self) -> bool:
        """Whether the feeds were read from the database."""
        return self.version != _NOT_LOADED

    def caller(self, token: str) -> FeedCaller | None:
        """The feed that a token belongs to; None when the token is unknown or the force is retired."""
        key = token_key(token)
        feed = self.feeds.get(key)
        return None if feed is None else FeedCaller("feed", feed.name, frozenset({feed.force}), key)

    def replace(self, version: int, feeds: Mapping[bytes, Feed]) -> None:
        """Replace the feeds by those of the registry at `version`."""
        self._all, self.version = feeds, version
        self._apply()

    def retire(self, forces: frozenset[str]) -> None:
        """Leave out the feeds of exactly these forces."""
        if forces != self._retired:
            self._retired = forces
            self._apply()

    def follow(self, rules: Mapping[str, ForceRules]) -> None:
        """Check the reads of each force by its rules. A force without any has the usual ones."""
        self._rules = rules
        self._apply_rules()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change."""
        self._listeners.append(listener)

    def wake(self) -> None:
        """Wake every waiter for a change."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def _apply(self) -> None:
        retired = self._retired
        self._apply_rules()
        self.feeds = {key: feed for key, feed in self._all.items() if feed.force not in retired}
        self.wake()
        for listener in self._listeners:
            listener()

    def _apply_rules(self) -> None:
        for feed in self._all.values():
            feed.follow(self._rules.get(feed.force, USUAL_RULES))


def token_key(token: str) -> bytes:
    """SHA-256 of a token. Only this is stored, so that a stolen database contains no usable token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def token_unknown() -> Unauthenticated:
    """The fault for a token that belongs to no feed, or no longer."""
    return Unauthenticated(
        "TOKEN_UNKNOWN",
        "no feed has this token, or it was replaced; ask the force's ANPR engineer for a new one",
    )


def feeds_from(rows: Iterable[Mapping[str, object]]) -> dict[bytes, Feed]:
    """The feeds by the keys of their tokens, from rows of `load_registry.sql`.

    There is one row a camera. A feed without cameras has one row without a camera_id.
    """
    feeds: dict[bytes, Feed] = {}
    for row in rows:
        key = row["token_sha256"]
        assert isinstance(key, bytes), "the column is a bytea"
        feed = feeds.get(key)
        if feed is None:
            feed = feeds[key] = Feed(str(row["force"]), str(row["feed"]))
        if row["camera_id"] is not None:
            feed.add(_camera(row))
    return feeds


def _camera(row: Mapping[str, object]) -> Camera:
    latitude, longitude, kind = row["latitude"], row["longitude"], row["kind"]
    assert isinstance(kind, int), "the column is a smallint"
    if not (isinstance(latitude, float) and isinstance(longitude, float)):
        return Camera(str(row["camera_id"]), bool(row["enabled"]), kind=kind)
    return Camera(str(row["camera_id"]), bool(row["enabled"]), e7(latitude), e7(longitude), kind)
