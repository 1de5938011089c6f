"""Instruments from a typed list. A service lists its metrics in its ``names.py``; dashboards rely on them.

Counters exist from the first look at them, at 0 for each known value of their labels: a series that is absent
matches no alarm. Gauges are computed when metrics are read, so that none can show an old value.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from enum import Enum, StrEnum
from functools import partial
from itertools import product
from typing import Final, Self

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation, UpDownCounter

SCOPE: Final = "gantry"
_COMPUTE_SECONDS: Final = 2.0
_FRESH_SECONDS: Final = 0.5

_log = logging.getLogger(__name__)

Labels = Mapping[str, str]
Values = Iterable[tuple[float, Labels]]
"""What a gauge shows: a value for each set of labels."""


class Kind(Enum):
    """What an instrument does."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(StrEnum):
    """A member is a metric: its name, kind, unit, meaning, and labels.

    A label is a name such as ``"force"``, or a name with all of its values, such as ``"kind=exact|near"``.
    """

    kind: Kind
    unit: str
    meaning: str
    labels: tuple[str, ...]
    """The names of the labels."""
    values: Mapping[str, tuple[str, ...]]
    """The values of the labels that have a fixed list of them."""

    def __new__(cls, name: str, kind: Kind, unit: str, meaning: str, *labels: str) -> Self:
        """Make a member; see the class."""
        made = str.__new__(cls, name)
        made._value_ = name
        made.kind, made.unit, made.meaning = kind, unit, meaning
        made.labels = tuple(label.partition("=")[0] for label in labels)
        listed = (label.partition("=") for label in labels if "=" in label)
        made.values = {label: tuple(values.split("|")) for label, _, values in listed}
        return made

    @property
    def on_the_page(self) -> str:
        """Its name on the Prometheus page."""
        return f"{self.value}_total" if self.kind is Kind.COUNTER else self.value


def meter() -> Meter:
    """The meter of this process; may be used at import time."""
    return metrics.get_meter(SCOPE)


def histogram(metric: Metric) -> Histogram:
    """The histogram of a metric."""
    return meter().create_histogram(metric, metric.unit, metric.meaning)


def counter(metric: Metric) -> Counter:
    """The counter of a metric. It shows 0 until it counts, see `known`."""
    made = meter().create_counter(metric, metric.unit, metric.meaning)
    _counters.append(_Started(metric, made))
    return made


def up_down(metric: Metric) -> UpDownCounter:
    """What counts the open streams or calls of a gauge: up at the begin, down at the end."""
    return meter().create_up_down_counter(metric, metric.unit, metric.meaning)


class _Shown:
    """Shows what its sources compute when metrics are read. Labels that they leave out disappear."""

    def __init__(self) -> None:
        self._sources: list[Callable[[], Values]] = []

    @contextmanager
    def observing(self, source: Callable[[], Values]) -> Iterator[None]:
        """Show what `source` returns, until the end of the block."""
        self._sources.append(source)
        try:
            yield
        finally:
            self._sources.remove(source)

    def _observed(self, _: CallbackOptions) -> Iterator[Observation]:
        for source in tuple(self._sources):
            for value, labels in source():
                # OTLP takes no truth value, and would lose all metrics of the process for one.
                yield Observation(float(value), labels)


class Gauge(_Shown):
    """Shows values that its sources compute when metrics are read."""

    def __init__(self, metric: Metric) -> None:
        super().__init__()
        meter().create_observable_gauge(metric, [self._observed], metric.unit, metric.meaning)


class Total(_Shown):
    """Shows counts that its sources keep. Unlike those of `counter`, they can disappear."""

    def __init__(self, metric: Metric) -> None:
        super().__init__()
        meter().create_observable_counter(metric, [self._observed], metric.unit, metric.meaning)


@contextmanager
def computing(compute: Callable[[], Awaitable[Mapping[Gauge, Values]]], *gauges: Gauge) -> Iterator[None]:
    """Show in some gauges what one coroutine computes for them, until the end of the block.

    It runs in the loop of the caller when metrics are read, and has 2 s. While it fails the gauges show
    nothing. Metrics have to be read in another thread, as exporters do.
    """
    computed = _Computed(compute, asyncio.get_running_loop())
    with ExitStack() as shown:
        for gauge in gauges:
            shown.enter_context(gauge.observing(partial(computed.values, gauge)))
        yield


@contextmanager
def known(labels: Callable[[], Iterable[Labels]]) -> Iterator[None]:
    """Let counters begin at 0 for each of these labels, for example for each force, until the block ends."""
    _known.append(labels)
    try:
        yield
    finally:
        _known.remove(labels)


async def showing(*blocks: AbstractContextManager[None]) -> None:
    """Stay in these blocks without end, as a task that a server owns: `observing`, `computing`, `known`."""
    with ExitStack() as shown:
        for block in blocks:
            shown.enter_context(block)
        await asyncio.Event().wait()


def begin_counters() -> None:
    """Let counters begin at 0 for the labels that are known by now. Called whenever metrics are read."""
    found = [{}, *(dict(labels) for source in tuple(_known) for labels in source())]
    for each in tuple(_counters):
        for labels in found:
            each.begin(labels)


class _Started:
    """A counter, and the labels for which it has begun."""

    def __init__(self, metric: Metric, made: Counter) -> None:
        self._metric = metric
        self._counter = made
        self._begun: set[tuple[str, ...]] = set()

    def begin(self, labels: Labels) -> None:
        """Begin at 0 for these labels and all listed values of the others, if no value stays open."""
        values = [
            self._metric.values.get(name, (labels[name],) if name in labels else ())
            for name in self._metric.labels
        ]
        for chosen in product(*values):
            if chosen not in self._begun:
                self._begun.add(chosen)
                self._counter.add(0, dict(zip(self._metric.labels, chosen, strict=True)))


class _Computed:
    """The values of some gauges, computed by one coroutine for all of them."""

    def __init__(
        self, compute: Callable[[], Awaitable[Mapping[Gauge, Values]]], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._compute = compute
        self._loop = loop
        self._values: Mapping[Gauge, Values] = {}
        self._computed_at = float("-inf")
        self._failing = False

    def values(self, gauge: Gauge) -> Values:
        """The values of one of them."""
        if time.monotonic() - self._computed_at > _FRESH_SECONDS:
            self._values = self._computed()
            self._computed_at = time.monotonic()
        return self._values.get(gauge, ())

    def _computed(self) -> Mapping[Gauge, Values]:
        computing = asyncio.run_coroutine_threadsafe(self._within_seconds(), self._loop)
        try:
            # The loop itself may hang.
            computed = computing.result(2 * _COMPUTE_SECONDS)
        except Exception as error:  # noqa: BLE001 - a page of metrics without a gauge is better than none
            computing.cancel()
            if not self._failing:
                _log.warning("gauges cannot be computed now", extra={"cause": type(error).__name__})
            self._failing = True
            return {}
        self._failing = False
        return computed

    async def _within_seconds(self) -> Mapping[Gauge, Values]:
        async with asyncio.timeout(_COMPUTE_SECONDS):
            return await self._compute()


_counters: Final[list[_Started]] = []
_known: Final[list[Callable[[], Iterable[Labels]]]] = []
