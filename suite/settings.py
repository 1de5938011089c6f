"""The settings of a suite."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from suite.backup.settings import BackupSettings

FOLDER = Path(".gantry")
FORCES = ("essex", "kent")
OPERATOR = "operator"


@dataclass(frozen=True)
class SuiteSettings:
    """The folder of a suite, and the processes, forces and settings in it.

    `base_port` 0 takes free ports, the same ones at the next start where possible; else ports are counted
    from it. `environment` adds variables to one process by its name; a further replica, such as "store-2",
    has those of its service and its own. Variables of our own environment reach every process. `postgres`
    overrides lines of postgresql.conf. `misbehaviour` is what the national simulators (by name) are asked for
    once they are up, in the words of their control surface; one that is killed forgets it.
    `traces_per_second` limits new traces; None: the services' own limits. `backup` says where the suite's
    archiver puts backups; None: there is no archiver. With `standby` there are two PostgreSQL, and commits
    wait for both: for drills, which lose the first one. `canary`: a process sends canaries through all.
    """

    folder: Path = FOLDER
    forces: tuple[str, ...] = FORCES
    base_port: int = 0
    nas: bool = True
    nadc: bool = True
    operator: str = OPERATOR
    traces_per_second: float | None = None
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    postgres: Mapping[str, str] = field(default_factory=dict)
    misbehaviour: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    backup: BackupSettings | None = None
    standby: bool = False
    canary: bool = True

    @property
    def destinations(self) -> tuple[str, ...]:
        """The national services that get the reads."""
        return tuple(name for name, wanted in (("nas", self.nas), ("nadc", self.nadc)) if wanted)
