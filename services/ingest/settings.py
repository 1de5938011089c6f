"""The settings of ingest beyond those of every service: ``GANTRY_INGEST__*``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from chassis.settings import DatabaseSettings, GrpcSettings, HostPort, ServiceSettings
from services.sections import SECTIONS

MEBIBYTE = 1024 * 1024


class IngestGrpcSettings(GrpcSettings):
    """As every service's, with a smaller message: it limits the memory that one vendor's message takes."""

    max_message_bytes: int = Field(4 * MEBIBYTE, ge=64 * 1024, le=64 * MEBIBYTE)


class IngestSection(BaseModel):
    """The public address, the address of the store, and the limits of reads without acknowledgement."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: HostPort
    store_name: str | None = None
    public_listen: HostPort = "127.0.0.1:0"

    plate_patch_bytes: int = Field(3_072, ge=0, le=MEBIBYTE)
    overview_bytes: int = Field(25_600, ge=0, le=MEBIBYTE)

    batch_reads: int = Field(1_000, ge=100, le=10_000)
    stream_reads: int = Field(5_000, ge=1)
    stream_bytes: int = Field(32 * MEBIBYTE, ge=MEBIBYTE)
    total_bytes: int = Field(256 * MEBIBYTE, ge=MEBIBYTE)
    paced_bytes: int = Field(8 * MEBIBYTE, ge=0)
    streams_per_feed: int = Field(2_000, ge=1)

    append_reads: int = Field(2_000, ge=1, le=20_000)
    append_bytes: int = Field(4 * MEBIBYTE, ge=64 * 1024, le=15 * MEBIBYTE)
    append_seconds: float = Field(10.0, gt=0, le=60)
    lanes: int = Field(2, ge=1, le=16)

    traces_per_second: float = Field(20.0, ge=0)
    refresh_seconds: float = Field(5.0, gt=0, le=60)
    health_seconds: float = Field(5.0, gt=0, le=10)


class IngestSettings(ServiceSettings):
    """All settings of ingest."""

    known_sections = SECTIONS

    grpc: IngestGrpcSettings = IngestGrpcSettings()
    database: DatabaseSettings
    ingest: IngestSection
