"""What a force chose for itself: where its cameras are, and its words for a plate that was not read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gantry.store.v1 import forces_pb2

from anpr.not_read import as_word
from chassis.errors import InvalidInput

_MOST_WORDS: Final = 200
_LONGEST_WORD: Final = 40


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle on the map, in degrees."""

    south: float
    west: float
    north: float
    east: float


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a force. `area` None: anywhere. `not_read_words` None: the usual ones."""

    area: Area | None = None
    not_read_words: Sequence[str] | None = None


DEFAULTS: Final = Settings()


def settings_from(message: forces_pb2.ForceSettings) -> Settings:
    """The settings in a request. Raises InvalidInput SETTINGS_INVALID with the field at fault."""
    area = _area(message.area) if message.HasField("area") else None
    words = _words(message.not_read_words.words) if message.HasField("not_read_words") else None
    return Settings(area, words)


def settings_message(settings: Settings) -> forces_pb2.ForceSettings:
    """The settings as the contract carries them."""
    message = forces_pb2.ForceSettings()
    if (area := settings.area) is not None:
        message.area.CopyFrom(
            forces_pb2.Area(south=area.south, west=area.west, north=area.north, east=area.east)
        )
    if settings.not_read_words is not None:
        message.not_read_words.CopyFrom(forces_pb2.WordList(words=settings.not_read_words))
    return message


def _area(area: forces_pb2.Area) -> Area:
    # NaN compares as neither inside nor outside a range. `not inside` refuses it.
    if not -90.0 <= area.south < area.north <= 90.0:
        raise _invalid("settings.area", "south should be less than north, both -90 to 90 degrees")
    if not -180.0 <= area.west < area.east <= 180.0:
        raise _invalid("settings.area", "west should be less than east, both -180 to 180 degrees")
    return Area(area.south, area.west, area.north, area.east)


def _words(words: Sequence[str]) -> Sequence[str]:
    if len(words) > _MOST_WORDS:
        raise _invalid("settings.not_read_words", f"give at most {_MOST_WORDS} words")
    for index, word in enumerate(words):
        if len(word) > _LONGEST_WORD or not word.isprintable() or not as_word(word):
            raise _invalid(
                f"settings.not_read_words.words[{index}]",
                f"a word has letters or digits, and at most {_LONGEST_WORD} printable characters",
            )
    return tuple({as_word(word): word for word in words}.values())


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput("SETTINGS_INVALID", f"{field}: {message}", field=field)
