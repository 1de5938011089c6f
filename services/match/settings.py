"""The settings of match, from ``GANTRY_*`` environment variables."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from chassis.settings import DatabaseSettings, HostPort, ServiceSettings
from services.sections import SECTIONS


class MatchSection(BaseModel):
    """``GANTRY_MATCH__*``: where the store is, how much is imported at once, how long alerts are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: HostPort
    store_name: str | None = None
    imports_at_once: int = Field(2, ge=1, le=8)
    most_entries: int = Field(60_000_000, ge=1)
    # From the header of a file to its activation, the wait for a turn included.
    import_seconds: float = Field(1800.0, ge=1.0, le=3600.0)
    # Alerts hold copies of reads: they are deleted so many days after they were raised.
    alert_days: int = Field(31, ge=7, le=3650)
    # An alert is late when its read was captured longer ago.
    late_seconds: float = Field(120.0, gt=0)
    # Where the names of cameras come from. Without it, alerts show their ids.
    ingest: HostPort | None = None
    ingest_name: str | None = None


class MatchSettings(ServiceSettings):
    """The settings of match's process."""

    known_sections = SECTIONS

    database: DatabaseSettings
    match: MatchSection
