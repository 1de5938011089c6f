"""The panel drawn with rich, and the same in one line for a log."""

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.output import counted
from cli.panel.state import (
    BRIDGE,
    MATCH,
    STORE,
    AlertLine,
    DestinationState,
    ForceState,
    ProcessState,
    SuiteState,
)

_STYLES: Final = {
    "serving": "green",
    "running": "green",
    "starting": "yellow",
    "retrying": "yellow",
    "paused": "yellow",
}
_DOT: Final = "●"
_UNKNOWN: Final = Text("?", style="red")
_CLOSE: Final = (0, 1, 0, 0)


def draw(state: SuiteState, title: str, hint: str) -> RenderableType:
    """The whole panel."""
    body = Group(
        processes_line(state.processes),
        Text(),
        forces_table(state.forces),
        *(Text(remark, style="red") for remark in silence(state.forces)),
        alerts_table(state.alerts),
        Text(hint, style="dim", no_wrap=False, overflow="fold"),
    )
    return Panel(body, title=Text(title, style="bold"), title_align="left", box=box.ROUNDED, padding=(0, 1))


def processes_line(processes: Sequence[ProcessState]) -> RenderableType:
    """Each process with a coloured dot; one that does not serve says so."""
    return Columns([_process(process) for process in processes], padding=(0, 2))


def forces_table(forces: Sequence[ForceState]) -> Table:
    """One row a force."""
    destinations = list(
        dict.fromkeys(one.name for force in forces for one in force.destinations if not one.retired)
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("force", style="bold")
    for name in ("reads/s", "stored", "unmatched", "alerts", "open"):
        table.add_column(name, justify="right")
    for name in destinations:
        table.add_column(f"at {name}", justify="right", style="cyan")
        table.add_column("behind", justify="right")
    for force in forces:
        table.add_row(*_force_cells(force, destinations))
    return table


def alerts_table(alerts: Sequence[AlertLine]) -> RenderableType:
    """The latest alerts, newest first."""
    if not alerts:
        return Text("no alerts yet\n", style="dim")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=_CLOSE)
    for name in ("alert", "force", "plate", "match", "camera", "reason", "after"):
        # On a narrow terminal the reason is cut and not the plate, which would be useless.
        table.add_column(name, no_wrap=name != "reason", justify="right" if name == "after" else "left")
    for alert in alerts:
        table.add_row(
            alert.raised_at,
            Text(alert.force),
            Text(alert.vrm, style="bold black on yellow"),
            Text("near", style="yellow") if alert.near else Text("exact", style="green"),
            Text(alert.camera_id),
            Text(alert.reason, no_wrap=True, overflow="ellipsis"),
            "" if alert.milliseconds is None else f"{alert.milliseconds:,.0f} ms",
        )
    return table


def status_line(state: SuiteState) -> str:
    """The state in one line, for a terminal that is none. No personal data."""
    parts = [f"{state.seconds:.0f} s"]
    for force in state.forces:
        delivered = " ".join(
            f"{one.name} {one.delivered:,} (lag {one.lag:,})" for one in force.destinations if not one.retired
        )
        stored = [f"{force.reads_per_s:,.0f} reads/s", f"{force.stored:,} stored"]
        told = [
            *(stored if STORE not in force.missing else ()),
            *([counted(force.alerts, "alert")] if MATCH not in force.missing else ()),
            *([delivered] if delivered else ()),
        ]
        parts.append(f"{force.force}: {', '.join(told) or 'nothing is known'}")
    parts += silence(state.forces)
    down = [f"{process.name} {process.state}" for process in state.processes if process.state != "serving"]
    return " | ".join(parts + down)


def _process(process: ProcessState) -> Text:
    style = _STYLES.get(process.state, "red")
    text = Text.assemble((f"{_DOT} ", style), process.name)
    if process.state != "serving":
        text.append(f" {process.state}", style=style)
    return text


def silence(forces: Sequence[ForceState]) -> list[str]:
    """One sentence for each service that did not tell its part, with the forces that this concerns."""
    concerned: dict[tuple[str, str], list[str]] = {}
    for force in forces:
        for service, why in force.missing.items():
            concerned.setdefault((service, why), []).append(force.force)
    return [
        f"{service}: {why} ({'all forces' if len(codes) == len(forces) > 1 else ', '.join(codes)})"
        for (service, why), codes in concerned.items()
    ]


def _force_cells(force: ForceState, destinations: Sequence[str]) -> list[RenderableType]:
    by_name = {one.name: one for one in force.destinations}
    buffer, match, bridge = (service not in force.missing for service in (STORE, MATCH, BRIDGE))
    cells: list[RenderableType] = [
        force.force,
        f"{force.reads_per_s:,.0f}" if buffer else _UNKNOWN,
        f"{force.stored:,}" if buffer else _UNKNOWN,
        _lag(force.match_lag) if buffer and match else _UNKNOWN,
        Text(f"{force.alerts:,}", style="yellow" if force.alerts else "") if match else _UNKNOWN,
        f"{force.alerts_open:,}" if match else _UNKNOWN,
    ]
    for name in destinations:
        cells += _destination_cells(by_name.get(name)) if bridge else [_UNKNOWN, Text()]
    return cells


def _destination_cells(destination: DestinationState | None) -> list[RenderableType]:
    if destination is None or destination.retired:
        return [Text("-", style="dim"), Text()]
    if destination.state != "running":
        state = Text(destination.state, style=_STYLES.get(destination.state, "red"))
        return [Text(f"{destination.delivered:,} ") + state, _lag(destination.lag)]
    return [f"{destination.delivered:,}", _lag(destination.lag)]


def _lag(count: int) -> Text:
    return Text(f"{count:,}", style="dim" if count < 10_000 else "yellow")
