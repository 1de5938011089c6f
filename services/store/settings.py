"""The settings of the store, besides those of every service."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from chassis.settings import DatabaseSettings, ServiceSettings
from services.sections import SECTIONS

_MEBIBYTE = 1024 * 1024


class BufferSettings(BaseModel):
    """The buffer itself: ``GANTRY_STORE__*``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: str = Field(
        pattern="^(file|s3)://", description="where images are kept: file:///folder or s3://bucket/prefix"
    )
    retention_days: int = Field(7, ge=1, le=3650)
    retention_interval_seconds: float = Field(60.0, gt=0)
    ring_bytes: int = Field(64 * _MEBIBYTE, ge=0, description="newest reads of a force kept in memory")
    queue_reads: int = Field(200_000, ge=1, description="most reads of a force that wait for their commit")
    queue_bytes: int = Field(64 * _MEBIBYTE, ge=_MEBIBYTE, description="most bytes of a force that wait")
    commit_reads: int = Field(20_000, ge=1, description="most reads in one transaction")


class StoreSettings(ServiceSettings):
    """Settings of the store."""

    known_sections = SECTIONS

    database: DatabaseSettings
    store: BufferSettings
