"""The state of a suite, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

STORE: Final = "store"
MATCH: Final = "match"
BRIDGE: Final = "nas_bridge"
CANARY: Final = "canary"


@dataclass(frozen=True)
class ProcessState:
    """One process.

    `state` is serving, starting, failing, silent (no answer), frozen (stopped by a signal) or stopped.
    """

    name: str
    state: str
    pid: int | None = None

    @property
    def ok(self) -> bool:
        """Whether it serves. The canary may also still start, since nothing waits for it."""
        return self.state == "serving" or (self.name == CANARY and self.state == "starting")


@dataclass(frozen=True)
class DestinationState:
    """The progress of delivery to one destination. `lag` counts log positions that are not delivered yet."""

    name: str
    state: str
    delivered: int
    lag: int
    dead_letters: int
    last_error: str = ""
    failing_since: str | None = None
    desired: str = "live"
    paused: bool = False
    stopped_reason: str = ""

    @property
    def retired(self) -> bool:
        """Whether a person retired it, so that nothing more is delivered."""
        return self.desired == "retired"

    @property
    def ok(self) -> bool:
        """Whether it delivers, or has nothing to deliver."""
        return self.retired or self.state in {"running", "idle"}


@dataclass(frozen=True)
class ForceState:
    """One force: its buffer, its matching, its destinations.

    `missing` says for each service that did not tell its part why; the fields of that part then mean nothing.
    """

    force: str
    stored: int = 0
    head: int = 0
    reads_per_s: float = 0.0
    match_lag: int = 0
    alerts: int = 0
    alerts_open: int = 0
    entries: int = 0
    match_error: str = ""
    """Why its reads are not matched; empty while they are."""
    match_failing_since: str | None = None
    oldest_day: str = ""
    overdue_days: Sequence[str] = ()
    refusal: str = ""
    """Why its reads cannot be stored, in a sentence; empty while they can."""
    refused_since: str | None = None
    destinations: Sequence[DestinationState] = ()
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def problem(self) -> str:
        """The parts that are missing, in one sentence; empty when all services answered."""
        return "; ".join(f"{service}: {why}" for service, why in self.missing.items())

    @property
    def troubles(self) -> list[str]:
        """Why its reads are not stored or not matched, and since when: a sentence each."""
        told = []
        if self.refusal:
            told.append(
                f"{self.force}: its reads cannot be stored since {self.refused_since}. {self.refusal}"
            )
        if self.match_error:
            since = self.match_failing_since
            told.append(f"{self.force}: its reads are not matched since {since}: {self.match_error}")
        return told

    @property
    def ill(self) -> bool:
        """Whether a service did not tell its part, reads are not stored or matched, or days are overdue."""
        return bool(self.missing or self.troubles or self.overdue_days)


@dataclass(frozen=True)
class AlertLine:
    """An alert in one line of the panel."""

    raised_at: str
    force: str
    vrm: str
    near: bool
    camera_id: str
    reason: str
    milliseconds: float | None = None


@dataclass
class SuiteState:
    """The state at one moment. `seconds` counts from the start of the panel."""

    seconds: float = 0.0
    processes: Sequence[ProcessState] = ()
    forces: Sequence[ForceState] = ()
    alerts: Sequence[AlertLine] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The state for `--json`, without the alerts, which are personal data."""
        found = asdict(self)
        del found["alerts"]
        for told, force in zip(found["forces"], self.forces, strict=True):
            told["problem"] = force.problem
        found["ok"] = self.ok
        return found

    @property
    def ok(self) -> bool:
        """Whether all serves and stores, nothing is overdue, and no delivery fails, is stopped or paused."""
        return (
            all(process.ok for process in self.processes)
            and not any(force.ill for force in self.forces)
            and all(one.ok for force in self.forces for one in force.destinations)
        )
