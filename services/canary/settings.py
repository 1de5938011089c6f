"""The settings of the canary, from ``GANTRY_CANARY__*``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from chassis.settings import HostPort, ServiceSettings
from services.sections import SECTIONS


class CanarySection(BaseModel):
    """The addresses of the services, and when canaries are sent and are late."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ingest: HostPort
    ingest_name: str | None = None
    # The public port of ingest, where vendors deliver.
    door: HostPort
    door_name: str | None = None
    store: HostPort
    store_name: str | None = None
    match: HostPort
    match_name: str | None = None
    every_seconds: float = Field(60.0, ge=0.2, le=3600)
    late_seconds: float = Field(30.0, ge=1, le=600)


class CanarySettings(ServiceSettings):
    """The settings of the canary's process. It has no database."""

    known_sections = SECTIONS
    canary: CanarySection
