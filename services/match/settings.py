"""What match can be told, from ``GANTRY_*`` environment variables."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode

from anpr.force import is_force
from chassis.settings import DatabaseSettings, HostPort, ServiceSettings, words
from services.sections import SECTIONS


def _force(value: str) -> str:
    if not is_force(value):
        raise ValueError("should be force codes of a-z, 0-9 and dash, separated by commas")
    return value


Forces = Annotated[
    tuple[Annotated[str, AfterValidator(_force)], ...], NoDecode, BeforeValidator(words), Field(min_length=1)
]


class MatchSection(BaseModel):
    """``GANTRY_MATCH__*``: where the log is, whose reads are matched, how much is imported at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: HostPort
    store_name: str | None = None
    forces: Forces
    imports_at_once: int = Field(2, ge=1, le=8)
    most_entries: int = Field(60_000_000, ge=1)
    # Alerts are copies of reads: they go so many days after they were raised.
    alert_days: int = Field(31, ge=7, le=3650)


class MatchSettings(ServiceSettings):
    """The settings of match's process."""

    known_sections = SECTIONS

    database: DatabaseSettings
    match: MatchSection
