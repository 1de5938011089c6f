"""Sections of settings that services and their callers share; `chassis.settings` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FilePath, ValidationInfo, field_validator


def _host_and_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise ValueError("should be HOST:PORT with a port from 0 to 65535")
    return value


HostPort = Annotated[str, AfterValidator(_host_and_port)]
"""An address to listen on, HOST:PORT; port 0 asks for a free one."""


class _Section(BaseModel):
    # A misspelt variable must stop the start, not be ignored.
    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsSettings(_Section):
    """PEM files: the certificate and key of this process, and the authority that it trusts.

    A process looks every `renewed_poll_seconds` whether they were renewed. Then it ends within
    `renewed_spread_seconds`, at random, to be started with the new ones.
    """

    certificate: FilePath
    key: FilePath
    authority: FilePath
    renewed_poll_seconds: float = Field(30.0, ge=0.1, le=3600)
    renewed_spread_seconds: float = Field(600.0, ge=0, le=86_400)


class DatabaseSettings(_Section):
    """Where PostgreSQL is; `host` may be a folder that holds its socket.

    With `authority` the connection is TLS, and the server's certificate has to be of this authority and for
    `host`. Without it, TLS is used where the server offers it, and the certificate is not verified.

    Several hosts, separated by commas, are a primary and its standbys: the primary is used.
    """

    host: str
    port: int = Field(5432, ge=1, le=65535)
    name: str = "gantry"
    user: str
    password_file: FilePath | None = None
    authority: FilePath | None = None
    pool_size: int = Field(10, ge=1, le=200)

    @field_validator("authority")
    @classmethod
    def _needs_a_network(cls, value: Path | None, others: ValidationInfo) -> Path | None:
        if value is not None and Path(others.data.get("host", "")).is_absolute():
            raise ValueError("the host is a socket's folder, where PostgreSQL has no TLS")
        return value


class GrpcSettings(_Section):
    """Addresses and limits of the gRPC server."""

    listen: HostPort = "127.0.0.1:0"
    # A further port for people, so that a network can admit them and services separately.
    people_listen: HostPort | None = None
    health_listen: HostPort = "127.0.0.1:0"
    max_message_bytes: int = Field(16 * 1024 * 1024, ge=1024, le=256 * 1024 * 1024)
    max_concurrent_streams: int = Field(2_000, ge=1)
    unfinished_seconds: float = Field(30.0, gt=0, le=600)
    unread_bytes: int = Field(32 * 1024, ge=1024, le=1024 * 1024)
    drain_seconds: float = Field(10.0, ge=0, le=3600)
    message_seconds: float = Field(10.0, gt=0, le=600)
    max_connection_age_seconds: float = Field(1800.0, ge=1, le=86_400)
    max_connection_grace_seconds: float = Field(300.0, ge=0, le=86_400)
    port_file: Path | None = None


class TelemetrySettings(_Section):
    """What telemetry is recorded, and where it is sent."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    spans_file: Path | None = None
    otlp_endpoint: str | None = None
    # A collector may take only one of them.
    otlp_traces: bool = True
    otlp_metrics: bool = True
    metrics_listen: HostPort | None = None
    traces_per_second: float = Field(20.0, ge=0)
