"""The panel drawn with rich, and the same in one line for a log."""

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
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
    "stopping": "yellow",
    "retrying": "yellow",
    "paused": "yellow",
}
_DOT: Final = "●"
_UNKNOWN: Final = Text("?", style="red")
_CLOSE: Final = (0, 1, 0, 0)
_LEFT_OUT: Final = ("after", "camera", "force")
"""The columns of alerts that a narrow terminal leaves out, in this order."""
_SHORTEST: Final = 12
"""A reason may be cut down to this width."""


def draw(state: SuiteState, title: str, hint: str) -> RenderableType:
    """The whole panel, with as many of the latest alerts as the terminal has lines for, and at least one."""
    counts = range(max(len(state.alerts), 1), 0, -1)
    return _Tallest([_panel(state, title, hint, state.alerts[:count]) for count in counts])


def _panel(state: SuiteState, title: str, hint: str, alerts: Sequence[AlertLine]) -> Panel:
    body = Group(
        processes_line(state.processes),
        Text(),
        forces_table(state.forces),
        *(Text(remark, style="red") for remark in remarks(state.forces)),
        alerts_table(alerts),
        Text(hint, style="dim", no_wrap=False, overflow="fold"),
    )
    return Panel(body, title=Text(title, style="bold"), title_align="left", box=box.ROUNDED, padding=(0, 1))


def processes_line(processes: Sequence[ProcessState]) -> RenderableType:
    """Each process with a coloured dot; one that does not serve says so."""
    return Columns([_process(process) for process in processes], padding=(0, 2))


def forces_table(forces: Sequence[ForceState]) -> RenderableType:
    """One row a force, or one column where the terminal is too narrow: no number is cut or broken."""
    destinations = list(
        dict.fromkeys(one.name for force in forces for one in force.destinations if not one.retired)
    )
    names = ["force", "reads/s", "stored", "unmatched", "alerts", "open"]
    for name in destinations:
        names += [f"at {name}", "behind"]
    rows = [_force_cells(force, destinations) for force in forces]
    needed = _needed(names, rows, gap=1)
    return _Fitting(((needed, _forces_across(names, rows)), (0, _forces_down(names, rows))))


def alerts_table(alerts: Sequence[AlertLine]) -> RenderableType:
    """The latest alerts, newest first. A narrow terminal shows fewer columns, and each plate as a whole."""
    if not alerts:
        return Text("no alerts yet\n", style="dim")
    return _Fitting([_alert_table(alerts, left_out) for left_out in range(len(_LEFT_OUT) + 1)])


class _Tallest:
    """The first of some panels, from tall to short, that the terminal has the lines for, or the last one."""

    def __init__(self, panels: Sequence[Panel]) -> None:
        self._panels = panels

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        heights = ((panel, len(console.render_lines(panel, options))) for panel in self._panels)
        yield next((panel for panel, height in heights if height <= options.max_height), self._panels[-1])


class _Fitting:
    """The first of some tables that fits, or the last one. Each is given with the width that it needs."""

    def __init__(self, tables: Sequence[tuple[int, Table]]) -> None:
        self._tables = tables

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        fitting = (table for needed, table in self._tables if needed <= options.max_width)
        yield next(fitting, self._tables[-1][1])


def _needed(names: Sequence[str], rows: Sequence[Sequence[Text]], *, gap: int, short: str = "") -> int:
    """The width of a table whose cells are not cut, except those of the column `short`."""
    return 2 + sum(
        gap + (_SHORTEST if name == short else max(cell_len(name), *(row[place].cell_len for row in rows), 0))
        for place, name in enumerate(names)
    )


def _forces_across(names: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for name in names:
        style = "bold" if name == "force" else "cyan" if name.startswith("at ") else ""
        table.add_column(name, justify="left" if name == "force" else "right", style=style)
    for row in rows:
        table.add_row(*row)
    return table


def _forces_down(names: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=_CLOSE)
    table.add_column(names[0])
    for row in rows:
        table.add_column(row[0], justify="right")
    for place, name in enumerate(names[1:], 1):
        table.add_row(name, *(row[place] for row in rows))
    return table


def _alert_table(alerts: Sequence[AlertLine], left_out: int) -> tuple[int, Table]:
    cells = [_alert_cells(alert) for alert in alerts]
    names = [name for name in cells[0] if name not in _LEFT_OUT[:left_out]]
    rows = [[row[name] for name in names] for row in cells]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=_CLOSE)
    for name in names:
        # On a narrow terminal the reason is cut and not the plate, which would be useless.
        table.add_column(name, no_wrap=name != "reason", justify="right" if name == "after" else "left")
    for row in rows:
        table.add_row(*row)
    return _needed(names, rows, gap=2, short="reason"), table


def _alert_cells(alert: AlertLine) -> dict[str, Text]:
    after = "" if alert.milliseconds is None else f"{alert.milliseconds:,.0f} ms"
    return {
        "alert": Text(alert.raised_at),
        "force": Text(alert.force),
        "plate": Text(alert.vrm, style="bold black on yellow"),
        "match": Text("near", style="yellow") if alert.near else Text("exact", style="green"),
        "camera": Text(alert.camera_id),
        "reason": Text(alert.reason, no_wrap=True, overflow="ellipsis"),
        "after": Text(after),
    }


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
    parts += remarks(state.forces)
    down = [f"{process.name} {process.state}" for process in state.processes if process.state != "serving"]
    return " | ".join(parts + down)


def _process(process: ProcessState) -> Text:
    style = _STYLES.get(process.state, "red")
    text = Text.assemble((f"{_DOT} ", style), process.name)
    if process.state != "serving":
        text.append(f" {process.state}", style=style)
    return text


def remarks(forces: Sequence[ForceState]) -> list[str]:
    """What a person should know of the forces: a sentence each."""
    return [*_silence(forces), *(trouble for force in forces for trouble in force.troubles)]


def _silence(forces: Sequence[ForceState]) -> list[str]:
    """One sentence for each service that did not tell its part, with the forces that this concerns."""
    concerned: dict[tuple[str, str], list[str]] = {}
    for force in forces:
        for service, why in force.missing.items():
            concerned.setdefault((service, why), []).append(force.force)
    return [
        f"{service}: {why} ({'all forces' if len(codes) == len(forces) > 1 else ', '.join(codes)})"
        for (service, why), codes in concerned.items()
    ]


def _force_cells(force: ForceState, destinations: Sequence[str]) -> list[Text]:
    by_name = {one.name: one for one in force.destinations}
    buffer, match, bridge = (service not in force.missing for service in (STORE, MATCH, BRIDGE))
    cells = [
        Text(force.force),
        Text(f"{force.reads_per_s:,.0f}") if buffer else _UNKNOWN,
        Text(f"{force.stored:,}") if buffer else _UNKNOWN,
        _lag(force.match_lag) if buffer and match else _UNKNOWN,
        Text(f"{force.alerts:,}", style="yellow" if force.alerts else "") if match else _UNKNOWN,
        Text(f"{force.alerts_open:,}") if match else _UNKNOWN,
    ]
    for name in destinations:
        cells += _destination_cells(by_name.get(name)) if bridge else [_UNKNOWN, Text()]
    return cells


def _destination_cells(destination: DestinationState | None) -> list[Text]:
    if destination is None or destination.retired:
        return [Text("-", style="dim"), Text()]
    if destination.state != "running":
        state = Text(destination.state, style=_STYLES.get(destination.state, "red"))
        return [Text(f"{destination.delivered:,} ") + state, _lag(destination.lag)]
    return [Text(f"{destination.delivered:,}"), _lag(destination.lag)]


def _lag(count: int) -> Text:
    return Text(f"{count:,}", style="dim" if count < 10_000 else "yellow")
