"""A destination of a force: its settings, its desired state, and the state of its forwarder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, Final, NamedTuple

from chassis.errors import InvalidInput
from following import LineStatus

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_IDENTITY: Final = re.compile(r"[A-Za-z0-9_-]{0,64}")
_HOST: Final = re.compile(r"[A-Za-z0-9.:_-]{0,253}")
_OPTION_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_OPTION_CHARACTERS: Final = 2_000
_MOST_OPTIONS: Final = 32
_MOST_READS: Final = 20_000
_MOST_SECONDS: Final = 600
# Consumers of the store's log that belong to other services.
_TAKEN_NAMES: Final = frozenset({"match"})


class Images(IntEnum):
    """The pictures that a destination gets; numbered as DestinationImages in gantry.bridge.v1."""

    NONE = 1
    PLATE_PATCH = 2
    BOTH = 3


class Route(NamedTuple):
    """One force's reads to one destination: what one forwarder delivers."""

    force: str
    destination: str


@dataclass(frozen=True)
class DestinationSettings:
    """How a destination is reached, and what it gets.

    `options` belong to the adapter. `identity` names a folder with the certificate to show; empty: the
    bridge's own. `server_name` is the name that the destination's certificate must have; empty: the host of
    its address.
    """

    name: str
    adapter: str
    options: Mapping[str, str] = field(default_factory=dict)
    images: Images = Images.BOTH
    identity: str = ""
    server_name: str = ""
    most_reads: int = 5_000
    timeout_seconds: float = 30.0


@dataclass(frozen=True)
class Destination:
    """A destination from its rows, the same at every replica."""

    settings: DestinationSettings
    line: LineStatus
    delivered: int
    dead_letters: int
    last_delivered_at: datetime | None


def check_settings(settings: DestinationSettings) -> None:
    """Check everything that needs no adapter. Raises InvalidInput DESTINATION_INVALID with the field."""
    for name, should in _unusable(settings):
        raise destination_invalid(name, f"should be {should}")
    for name, value in settings.options.items():
        if not _OPTION_NAME.fullmatch(name):
            raise destination_invalid("options", "should have names of a-z, 0-9 and underscore")
        if not value.isprintable() or len(value) > _OPTION_CHARACTERS:
            raise destination_invalid(
                f"options.{name}", f"should be at most {_OPTION_CHARACTERS} printable characters"
            )


def destination_invalid(field_name: str, sentence: str) -> InvalidInput:
    """The fault for a destination's field; `sentence` says what would work."""
    path = f"destination.{field_name}"
    return InvalidInput("DESTINATION_INVALID", f"{path} {sentence}", field=path)


def _unusable(settings: DestinationSettings) -> list[tuple[str, str]]:
    """Fields that cannot be used, each with what it should be."""
    rules: list[tuple[str, Any, str]] = [
        (
            "name",
            _NAME.fullmatch(settings.name) and settings.name not in _TAKEN_NAMES,
            "1 to 32 of a-z, 0-9, dash and underscore, begin with a letter, and not be the name of a service",
        ),
        ("options", len(settings.options) <= _MOST_OPTIONS, f"at most {_MOST_OPTIONS}"),
        (
            "identity",
            _IDENTITY.fullmatch(settings.identity),
            "at most 64 of letters, digits, dash and underscore",
        ),
        ("server_name", _HOST.fullmatch(settings.server_name), "a host name"),
        ("most_reads", 1 <= settings.most_reads <= _MOST_READS, f"1 to {_MOST_READS}"),
        (
            "timeout_seconds",
            0 < settings.timeout_seconds <= _MOST_SECONDS,
            f"more than 0 and up to {_MOST_SECONDS}",
        ),
    ]
    return [(name, should) for name, usable, should in rules if not usable]
