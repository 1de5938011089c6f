"""The alarms and recorded expressions of alarms.toml and alarms-cloudnative-pg.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from deploy.slo.durations import seconds

SEVERITIES: Final = ("page", "ticket")


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm; alarms.toml explains the fields."""

    name: str
    expr: str
    severity: str
    summary: str
    hold: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """An expression that Prometheus keeps under a name."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True)
class Alarms:
    """All of the file."""

    alarms: Sequence[Alarm]
    recorded: Sequence[Recorded]

    def names(self) -> set[str]:
        """The names of the alarms."""
        return {each.name for each in self.alarms}

    def without(self, names: Collection[str]) -> Alarms:
        """All but the alarms of these names."""
        return replace(self, alarms=[each for each in self.alarms if each.name not in names])


NO_ALARMS: Final = Alarms((), ())


def alarms_in(file: Path) -> Alarms:
    """Read a file of alarms. Raises ValueError with a sentence for what it cannot mean."""
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    alarms = [
        Alarm(each["name"], each["expr"].strip(), each["severity"], each["summary"], each["for"])
        for each in content["alarm"]
    ]
    for alarm in alarms:
        seconds(alarm.hold)
        if alarm.severity not in SEVERITIES:
            raise ValueError(f"alarm {alarm.name}: severity is {alarm.severity!r}; choose page or ticket")
    return Alarms(alarms, [Recorded(each["name"], each["expr"].strip()) for each in content["record"]])
