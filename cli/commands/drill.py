"""`gantry drill`: loses a database and a site on purpose, and measures what is lost and for how long."""

from enum import StrEnum
from typing import Annotated

import typer
import uvloop

from cli.drill import report
from cli.drill.primary import lose_primary
from cli.drill.site import lose_site
from cli.exits import CliError
from cli.grpc_lines import show_grpc_lines_of_processes
from cli.interrupts import interruptible
from cli.jsonlines import write_json
from cli.output import note, say
from cli.verbs import Session, verb


class Which(StrEnum):
    """What is lost."""

    PRIMARY = "primary"
    SITE = "site"
    BOTH = "both"


@verb
def drill(
    session: Session,
    *,
    lose: Annotated[Which, typer.Option(help="What to lose.")] = Which.BOTH,
    rate: Annotated[float, typer.Option(min=1, help="Reads a second, about.")] = 200,
    seed: Annotated[int, typer.Option(help="What settles vehicles and faults.")] = 1,
) -> None:
    """Lose the primary database, and a whole site, in folders of its own; recover, and count.

    Exit code 1 when more is lost, or recovery takes longer, than promised. It lasts some four minutes. The
    reports are in the folder `drill` below --home.
    """
    show_grpc_lines_of_processes()
    folder = session.home.absolute() / "drill"
    tell = (lambda _: None) if session.as_json else note
    scenarios = []
    with interruptible():
        if lose in {Which.PRIMARY, Which.BOTH}:
            scenarios.append(uvloop.run(lose_primary(folder / "primary", rate, seed, tell)))
        if lose in {Which.SITE, Which.BOTH}:
            scenarios.append(uvloop.run(lose_site(folder / "site", rate, seed, tell)))
    command = f"gantry drill --lose {lose} --rate {rate:g} --seed {seed}"
    told = report.as_json(scenarios, command)
    paths = report.write(told, scenarios, folder)
    if session.as_json:
        write_json(told)
    else:
        for each in scenarios:
            lost = f"{len(each.reads.lost):,} of {each.reads.acknowledged:,} acknowledged reads lost"
            say(f"{each.name}: {lost}, {each.rto_s:.1f} s to recovery")
        note(f"reports: {', '.join(map(str, paths))}")
    if not told["ok"]:
        raise CliError("; ".join(sentence for each in scenarios for sentence in each.wrong))
