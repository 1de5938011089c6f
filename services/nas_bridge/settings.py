"""What the bridge can be told, from ``GANTRY_BRIDGE__*``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, FilePath
from pydantic_settings import NoDecode

from anpr.force import is_force
from chassis.settings import DatabaseSettings, HostPort, ServiceSettings, words
from services.sections import SECTIONS

Images = Literal["none", "patch", "both"]


def _force(value: str) -> str:
    if not is_force(value):
        raise ValueError("should be force codes of a-z, 0-9 and dash, separated by commas")
    return value


def _different(values: tuple[DestinationSettings, ...]) -> tuple[DestinationSettings, ...]:
    names = [destination.name for destination in values]
    if len(set(names)) != len(names):
        raise ValueError("should name each destination differently")
    return values


Forces = Annotated[
    tuple[Annotated[str, AfterValidator(_force)], ...], NoDecode, BeforeValidator(words), Field(min_length=1)
]


class DestinationSettings(BaseModel):
    """A destination. What is not listed here goes to its adapter, which checks it.

    `images` says which pictures it gets. `forces` limits it to some of the bridge's forces. `certificate`,
    `key` and `authority` replace the bridge's own towards it. `server_name` is the name in its certificate
    (default: the host of its address, or localhost when that is a loopback address). Reads per submission,
    and the seconds one may take, are bounded by `most_reads` and `timeout_seconds`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    adapter: str
    images: Images = "both"
    forces: tuple[str, ...] | None = None
    certificate: FilePath | None = None
    key: FilePath | None = None
    authority: FilePath | None = None
    server_name: str | None = None
    most_reads: int = Field(5_000, ge=1, le=20_000)
    timeout_seconds: float = Field(30.0, gt=0, le=600)

    def takes(self, force: str) -> bool:
        """Whether this destination gets the force's reads."""
        return self.forces is None or force in self.forces


class BridgeSection(BaseModel):
    """Where the log is, whose reads go where, and how patiently."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: HostPort
    store_name: str | None = None
    forces: Forces
    destinations: Annotated[tuple[DestinationSettings, ...], AfterValidator(_different)] = Field(min_length=1)
    # Reads wait this long for company: each delivery costs a receipt.
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
