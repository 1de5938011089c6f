"""`gantry demo`: runs the whole suite for a time, then checks that no read was lost."""

from typing import Annotated

import typer

from cli.demo.run import run_demo
from cli.verbs import Session, verb

_SEED = 20_250_301


@verb
def demo(
    session: Session,
    *,
    seconds: Annotated[float, typer.Option(min=5, help="How long cameras send.")] = 60,
    rate: Annotated[float, typer.Option(min=1, help="Reads a second, about.")] = 100,
    seed: Annotated[int, typer.Option(help="What settles vehicles, faults and hotlists.")] = _SEED,
) -> None:
    """Run everything in a fresh folder, stop, compare what was sent with what each service has.

    Exit code 1 when anything differs. The report is in the folder `demo` below --home.
    """

    run_demo(session, seconds=seconds, rate=rate, seed=seed)
