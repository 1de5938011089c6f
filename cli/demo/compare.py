"""Compares the reads that were sent with those that each service has, and names every difference."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cli.demo.expected import ExpectedAlert, Identity
from cli.output import counted

KEPT: Final = frozenset({"accept", "duplicate"})
"""Answers for reads that ingest has promised to keep."""
_EXAMPLES: Final = 5


@dataclass(frozen=True)
class SentRead:
    """A read that the cameras sent, the expected answer, and the answer of ingest ("" for none)."""

    identity: Identity
    plan: str
    verdict: str


@dataclass(frozen=True)
class Check:
    """One condition. `differences` are sentences; empty when the condition holds."""

    name: str
    says: str
    differences: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether it holds."""
        return not self.differences


@dataclass
class Findings:
    """Everything that the demo compares. An element that a list holds twice is a difference."""

    sent: Sequence[SentRead]
    stored: Sequence[Identity] = ()
    destinations: Mapping[str, Sequence[Identity]] = field(default_factory=dict)
    expected: set[ExpectedAlert] = field(default_factory=set)
    raised: Sequence[ExpectedAlert] = ()

    @property
    def accepted(self) -> set[Identity]:
        """Reads that ingest promised to keep."""
        return {read.identity for read in self.sent if read.verdict in KEPT}


def checks(found: Findings) -> list[Check]:
    """All checks, in the order in which a read passes the services."""
    kept = found.accepted
    return [
        _as_planned(found.sent),
        _same("store has exactly what was acknowledged", kept, found.stored),
        *(
            _same(f"{name.upper()} accepted exactly what was acknowledged", kept, has)
            for name, has in found.destinations.items()
        ),
        _same("alerts raised are the alerts expected", found.expected, found.raised),
    ]


def _as_planned(sent: Sequence[SentRead]) -> Check:
    wrong = [read for read in sent if not _fits(read)]
    kinds = Counter(f"planned {read.plan}, got {read.verdict or 'no answer'}" for read in wrong)
    differences = [f"{counted(count, 'read')}: {kind}" for kind, count in kinds.most_common()]
    differences += [f"for example {_shown(read.identity)}" for read in wrong[:_EXAMPLES]]
    return Check("every read was answered as planned", counted(len(sent), "read"), tuple(differences))


def _fits(read: SentRead) -> bool:
    # When the answer to a read is lost, the read is sent again, and the answer says duplicate.
    return read.verdict == read.plan or (read.plan == "accept" and read.verdict == "duplicate")


def _same(name: str, wanted: set[Any], has: Iterable[Any]) -> Check:
    counts = Counter(has)
    missing, extra = wanted - counts.keys(), counts.keys() - wanted
    doubled = [one for one, count in counts.items() if count > 1]
    differences: list[str] = []
    for what, ones in (("missing", missing), ("not expected", extra), ("there more than once", doubled)):
        if ones:
            some = ", ".join(sorted(map(_shown, ones))[:_EXAMPLES])
            differences.append(f"{len(ones):,} {what}: {some}{' ..' if len(ones) > _EXAMPLES else ''}")
    return Check(name, f"{len(wanted):,}", tuple(differences))


def _shown(thing: Identity | ExpectedAlert) -> str:
    identity = thing.identity if isinstance(thing, ExpectedAlert) else thing
    return f"{identity[0]}/{identity[1]}/{identity[3]}"


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which `share` of the values lie; None when there are none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
