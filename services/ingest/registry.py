"""Feeds and cameras in memory: who may deliver what, looked up for every message.

The whole registry is replaced at once when it changed in the database, so a message is judged by one
state of it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

UNKNOWN_E7: Final = 2_147_483_647
"""Stands for a latitude or longitude that is not known."""


@dataclass(slots=True, frozen=True)
class Camera:
    """An enrolled camera, as far as its reads need it; the place is in 1e-7 degrees."""

    camera_id: str
    enabled: bool
    latitude_e7: int = UNKNOWN_E7
    longitude_e7: int = UNKNOWN_E7


@dataclass(slots=True, eq=False)
class Feed:
    """A connection's identity and the cameras it carries."""

    force: str
    name: str
    cameras: dict[str, Camera] = field(default_factory=dict)
    live: dict[str, Camera] = field(default_factory=dict)
    """The cameras that are switched on."""
    shard: int = field(init=False)
    """A number that is the same for the feed in every process and after every change."""

    def __post_init__(self) -> None:
        self.shard = zlib.crc32(self.name.encode())

    def add(self, camera: Camera) -> None:
        """Let the feed carry a camera."""
        self.cameras[camera.camera_id] = camera
        if camera.enabled:
            self.live[camera.camera_id] = camera


class Registry:
    """The feeds by the SHA-256 of their tokens. Empty until `replace` is called for the first time."""

    def __init__(self) -> None:
        self.feeds: Mapping[bytes, Feed] = {}
        self.version = -1
        self._listeners: list[Callable[[], None]] = []

    @property
    def loaded(self) -> bool:
        """Whether the registry has been read at all."""
        return self.version >= 0

    def find(self, token: str) -> tuple[bytes, Feed | None]:
        """The key of a token, and its feed if there is one."""
        key = token_key(token)
        return key, self.feeds.get(key)

    def replace(self, version: int, feeds: Mapping[bytes, Feed]) -> None:
        """Take a new state and tell everybody who listens."""
        self.feeds, self.version = feeds, version
        for listener in self._listeners:
            listener()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change."""
        self._listeners.append(listener)


def token_key(token: str) -> bytes:
    """How a token is stored and looked up: nobody can deliver with what a thief finds in the database."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def feeds_from(rows: Iterable[Mapping[str, object]]) -> dict[bytes, Feed]:
    """The feeds that rows of `registry.sql` describe, one row a camera, or one with no camera."""
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
    latitude, longitude = row["latitude"], row["longitude"]
    if not (isinstance(latitude, float) and isinstance(longitude, float)):
        return Camera(str(row["camera_id"]), bool(row["enabled"]))
    return Camera(str(row["camera_id"]), bool(row["enabled"]), round(latitude * 1e7), round(longitude * 1e7))
