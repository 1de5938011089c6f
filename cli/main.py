"""The `gantry` command."""

import os
from typing import Annotated

import typer

from cli.commands import alerts, audit, camera, demo, hotlist, replay, search, status, trace, up
from cli.exits import MEANINGS
from cli.verbs import CommandLine, verb

# gRPC's own remarks would end up between ours; what went wrong is said by the error it raises.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

_CODES = "; ".join(f"{code.value}: {meaning}" for code, meaning in MEANINGS.items())

app = typer.Typer(
    name="gantry",
    cls=CommandLine,
    help="Run a Gantry suite, feed it, and ask it. Start with `gantry up`.",
    epilog=f"Exit codes. {_CODES}.",
    no_args_is_help=True,
    rich_markup_mode=None,  # drawn boxes would take longer to load than all else
    # A traceback of ours would show plates in local variables; --debug shows Python's plain one.
    pretty_exceptions_enable=False,
)
_cameras = typer.Typer(help="Which cameras may send, and how they do.", no_args_is_help=True)
_hotlists = typer.Typer(help="Lists of vehicles of interest.", no_args_is_help=True)
_alerts = typer.Typer(help="Watch alerts and take them in hand.", no_args_is_help=True)
_audit = typer.Typer(help="Who looked at what, and why.", no_args_is_help=True)

verb(app, "up")(up.up)
verb(app, "demo")(demo.demo)
verb(app, "status")(status.status)
app.add_typer(_cameras, name="camera")
app.add_typer(_hotlists, name="hotlist")
app.add_typer(_alerts, name="alerts")
verb(app, "search")(search.search)
verb(app, "replay")(replay.replay)
verb(app, "trace")(trace.trace)
app.add_typer(_audit, name="audit")
verb(_cameras, "enrol")(camera.enrol)
verb(_cameras, "list")(camera.list_cameras)
verb(_hotlists, "import")(hotlist.import_hotlist)
verb(_hotlists, "list")(hotlist.list_hotlists)
verb(_alerts, "watch")(alerts.watch)
verb(_alerts, "ack")(alerts.ack)
verb(_audit, "list")(audit.list_records)
verb(_audit, "verify")(audit.verify)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"gantry {version('gantry')}")
        raise typer.Exit


@app.callback()
def gantry(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Run a Gantry suite, feed it, and ask it. Start with `gantry up`."""
