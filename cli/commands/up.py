"""`gantry up`: the whole suite on this machine, with a live panel."""

from typing import Annotated

import typer

from anpr.force import is_force
from cli.exits import CliError, Exit
from cli.options import purpose_of
from cli.panel.up import Wish, run_up
from cli.verbs import Session, verb

_PURPOSE = "Watching the live panel of the suite on this machine"


@verb
def up(
    session: Session,
    *,
    cameras: Annotated[bool, typer.Option("--cameras/--no-cameras", help="Simulated cameras send.")] = True,
    rate: Annotated[float, typer.Option(min=0.1, help="Reads a second of all cameras, about.")] = 40,
    seed: Annotated[int, typer.Option(help="What settles vehicles and faults.")] = 1,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Stop by itself after so long.", show_default=False)
    ] = None,
    base_port: Annotated[
        int, typer.Option(min=0, max=65000, help="Count ports from here; 0 takes free ones.")
    ] = 0,
    forces: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,..",
            help="Codes of the forces to create; default: those of the last start, at first essex,kent.",
            show_default=False,
        ),
    ] = None,
    canary: Annotated[
        bool, typer.Option("--canary/--no-canary", help="A read a minute tests that alerts come.")
    ] = True,
    purpose: Annotated[str, typer.Option(metavar="TEXT", help="Why the panel shows alerts.")] = _PURPOSE,
) -> None:
    """Start everything, or go on from where it was stopped. Ctrl-C stops it."""
    purpose_of(purpose, "")  # before anything is started

    run_up(session, Wish(cameras, rate, seed, seconds, base_port, purpose, _codes(forces), canary))


def _codes(text: str | None) -> tuple[str, ...]:
    """The forces of --forces; none when it was not given. CliError for what is no code."""
    if text is None:
        return ()
    codes = tuple(dict.fromkeys(code.strip() for code in text.split(",")))
    if not all(map(is_force, codes)):
        raise CliError(
            f"--forces {text}: give codes of 1 to 32 of a-z, 0-9 and dash that begin with a letter, "
            "such as essex,kent",
            Exit.USAGE,
        )
    return codes
