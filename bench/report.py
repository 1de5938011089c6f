"""Figures: what was measured, in what unit, and beside raw COPY."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measurement. `ratio` is the ratio to raw COPY in the same run; None where it means nothing."""

    name: str
    value: float
    unit: str
    ratio: float | None = None


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print the figures as a table."""
    table = Table(title="Gantry bench")
    table.add_column("figure")
    for heading in ("value", "unit", "ratio to raw COPY"):
        table.add_column(heading, justify="right")
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.3f}"
        table.add_row(figure.name, f"{figure.value:,.1f}", figure.unit, ratio)
    console.print(table)


def write(figures: Sequence[Figure], file: Path) -> None:
    """Write the figures as a JSON list of {name, value, unit, ratio}."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n", encoding="utf-8")
