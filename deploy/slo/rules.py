"""Groups of rules for Prometheus: recorded shares, and alarms that fire when a budget burns too fast.

An alarm needs two windows. The longer one says that it matters, the shorter one that it still goes on. A burn
of 1 uses up the budget exactly at the end of the objective's days.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from deploy.slo.alarms import NO_ALARMS, Alarm, Alarms
from deploy.slo.durations import Scale
from deploy.slo.objectives import BAD_NOW, Objective, Objectives

Group = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Burn:
    """How fast a budget may burn over two windows."""

    times: float
    longer: str
    shorter: str


FAST: Final = (Burn(14.4, "1h", "5m"), Burn(6.0, "6h", "30m"))
"""2 % of a month's budget in an hour, or 5 % in six hours."""
SLOW: Final = (Burn(3.0, "1d", "2h"), Burn(1.0, "3d", "6h"))
"""10 % in a day, or in three days."""
WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
RUNBOOKS: Final = "docs/runbooks"


_AS_WRITTEN: Final = Scale()


def share_name(window: str) -> str:
    """The name under which the bad share of a window is recorded."""
    return f"gantry:objective_bad:ratio{window}"


@dataclass(frozen=True, slots=True)
class Rules:
    """Writes all groups, on a time scale, with links to runbooks under an address or folder.

    `database` has the alarms of a PostgreSQL that CloudNativePG keeps; a suite elsewhere has none of them.
    """

    objectives: Objectives
    alarms: Alarms
    scale: Scale = _AS_WRITTEN
    runbooks: str = RUNBOOKS
    database: Alarms = NO_ALARMS

    def of_alarms(self) -> list[Group]:
        """The groups of alarms.yml."""
        return self._groups("gantry", self.alarms)

    def of_database(self) -> list[Group]:
        """The groups of cloudnative-pg.yml."""
        return self._groups("gantry-database", self.database)

    def of_objectives(self) -> list[Group]:
        """The groups of objectives.yml, two for each objective."""
        groups: list[Group] = []
        for each in self.objectives.all:
            groups.append({"name": f"gantry-objective-{each.name}", "rules": [*self._recorded(each)]})
            groups.append({"name": f"gantry-budget-{each.name}", "rules": [*self._burning(each)]})
        return groups

    def names(self) -> list[str]:
        """The names of all alarms but those of `database`, each once, in their order."""
        return [*dict.fromkeys([each.name for each in self.alarms.alarms] + self._objective_alarms())]

    def _objective_alarms(self) -> list[str]:
        return [each.alarm for each in self.objectives.all]

    def _groups(self, name: str, source: Alarms) -> list[Group]:
        recorded = [
            {"record": each.name, "expr": self.scale.expression(each.expr)} for each in source.recorded
        ]
        alarms = [self._listed(each) for each in source.alarms]
        return [{"name": f"{name}-recorded", "rules": recorded}, {"name": name, "rules": alarms}]

    def _listed(self, each: Alarm) -> dict[str, Any]:
        expr = self.scale.expression(each.expr)
        return self._alarm(each.name, expr, each.hold, each.severity, each.summary)

    def _alarm(self, name: str, expr: str, hold: str, severity: str, summary: str) -> dict[str, Any]:
        return {
            "alert": name,
            "expr": expr,
            "for": self.scale.hold(hold),
            "labels": {"severity": severity},
            "annotations": {"summary": summary, "runbook_url": f"{self.runbooks}/{name}.md"},
        }

    def _recorded(self, objective: Objective) -> Iterator[dict[str, Any]]:
        labels = {"objective": objective.name}
        yield {
            "record": "gantry:objective_target:ratio",
            "expr": f"vector({objective.target})",
            "labels": labels,
        }
        if objective.kind == "moments":
            yield {"record": BAD_NOW, "expr": self.scale.expression(objective.bad), "labels": labels}
        for window in WINDOWS:
            share = objective.bad_share(self.scale.duration(window))
            yield {"record": share_name(window), "expr": share, "labels": labels}

    def _burning(self, objective: Objective) -> Iterator[dict[str, Any]]:
        summary = objective.summary
        if objective.pages:
            yield self._budget(objective, FAST, "2m", "page", f"{summary}: the budget burns fast")
            yield self._budget(objective, SLOW, "15m", "ticket", f"{summary}: the budget burns")
        else:
            yield self._budget(objective, (*FAST, *SLOW), "2m", "ticket", f"{summary}: the budget burns")

    def _budget(
        self, objective: Objective, burns: Sequence[Burn], hold: str, severity: str, summary: str
    ) -> dict[str, Any]:
        expr = "\nor\n".join(self._both(objective, burn) for burn in burns)
        rule = self._alarm(objective.alarm, expr, hold, severity, summary)
        return {**rule, "labels": {"severity": severity, "objective": objective.name}}

    def _both(self, objective: Objective, burn: Burn) -> str:
        most = f"{round(burn.times * objective.budget, 6):g}"
        conditions = [
            f'{share_name(window)}{{objective="{objective.name}"}} > {most}'
            for window in (burn.longer, burn.shorter)
        ]
        on = f" and on ({', '.join(objective.by)}) "
        joined = f"{conditions[0]}\n  and {conditions[1]}"
        if enough := objective.enough(self.scale.duration(burn.longer)):
            joined += f"\n {on.rstrip()} {enough}"
        return f"({joined})"
