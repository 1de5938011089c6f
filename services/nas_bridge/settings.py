"""The settings of the bridge, from ``GANTRY_BRIDGE__*``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, DirectoryPath, Field

from chassis.settings import DatabaseSettings, HostPort, ServiceSettings
from services.sections import SECTIONS


class BridgeSection(BaseModel):
    """The address of the store, the identities, and the limits of all destinations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: HostPort
    store_name: str | None = None
    # Holds <identity>/{certificate,key,authority}.pem, which destinations name.
    identities: DirectoryPath | None = None
    # How long the first read of a submission waits for others. Fewer submissions need fewer receipts.
    gather_seconds: float = Field(0.25, ge=0, le=60)
    most_bytes: int = Field(8 * 1024 * 1024, ge=64 * 1024, le=48 * 1024 * 1024)
    retry_first_seconds: float = Field(0.5, gt=0, le=30)
    retry_most_seconds: float = Field(30.0, gt=0, le=600)
    refused_in_a_row: int = Field(100, ge=1)
    refused_percent: float = Field(50.0, gt=0, le=100)
    skip_purged: bool = False
    receipt_days: float = Field(30.0, gt=0)
    dead_letter_days: float = Field(7.0, gt=0)


class BridgeSettings(ServiceSettings):
    """The settings of the bridge's process."""

    known_sections = SECTIONS
    database: DatabaseSettings
    bridge: BridgeSection
