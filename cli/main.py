"""The `gantry` command: every verb by its name, and where its function is."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from cli.exits import MEANINGS, Exit
from cli.grpc_lines import hide_grpc_lines
from cli.inert import inert
from cli.jsonlines import write_json
from cli.lazy import LazyVerb, group, loaded

hide_grpc_lines()

_CODES = "; ".join(f"{code.value}: {meaning}" for code, meaning in MEANINGS.items())
_JSON_ASKED: Final = "gantry.json"


def _verb(name: str, place: str, summary: str) -> LazyVerb:
    return LazyVerb(name, f"cli.commands.{place}", summary)


COMMANDS: Final = (
    _verb("up", "up:up", "Start everything, or go on from where it was stopped."),
    _verb(
        "demo",
        "demo:demo",
        "Run everything in a fresh folder, stop, compare what was sent with what each service has.",
    ),
    _verb("status", "status:status", "Show processes, buffer, matching and deliveries."),
    _verb("search", "search:search", "Find the reads of a plate in the buffer, newest first."),
    _verb("image", "image:image", "Save a picture of a read."),
    _verb("replay", "replay:replay", "Send a file of reads to ingest."),
    _verb(
        "trace",
        "trace:trace",
        "Show one read's way from the camera to the national services, with times.",
    ),
    group(
        "force",
        "The forces whose reads are kept.",
        _verb("add", "force:add", "Create a force."),
        _verb("list", "force:list_forces", "List the forces."),
        _verb("change", "force:change", "Change the settings of a force."),
        _verb("retire", "force:retire", "Retire a force for good."),
    ),
    group(
        "camera",
        "Which cameras may send, and how they do.",
        _verb("enrol", "camera:enrol", "Enrol cameras on a feed."),
        _verb("list", "camera:list_cameras", "List cameras with what they have delivered."),
    ),
    group(
        "hotlist",
        "Lists of vehicles of interest.",
        _verb(
            "import",
            "hotlist:import_hotlist",
            "Import a CSV as a hotlist of a force; it replaces the list of that name.",
        ),
        _verb("list", "hotlist:list_hotlists", "List hotlists."),
    ),
    group(
        "alerts",
        "Watch alerts and take them in hand.",
        _verb("watch", "alerts:watch", "Watch alerts as they are raised."),
        _verb("list", "alerts:list_alerts", "List alerts, newest first."),
        _verb("show", "alerts:show", "Show one alert as it now is."),
        _verb("ack", "alerts:ack", "Say that you have taken an alert in hand."),
    ),
    group(
        "bridge",
        "Delivery to the national services.",
        group(
            "destination",
            "Where reads are delivered.",
            _verb("add", "destination:add", "Add a destination of a force."),
            _verb("list", "destination:list_destinations", "List destinations with their state."),
            _verb("pause", "destination:pause", "Pause delivery."),
            _verb(
                "resume",
                "destination:resume",
                "Resume delivery after a pause, or after refusals have stopped it.",
            ),
            _verb("retire", "destination:retire", "Retire a destination for good."),
        ),
    ),
    group(
        "audit",
        "Who looked at what, and why.",
        _verb("list", "audit:list_records", "List the audit trail, newest first."),
        _verb(
            "verify",
            "audit:verify",
            "Recompute the chain of audit records; exit code 1 when a record was changed or is missing.",
        ),
    ),
    group(
        "certificate",
        "Certificates of an authority of one's own, in the folder of --home.",
        _verb(
            "service",
            "certificate:service",
            "Issue a service's certificate, valid for its name, localhost and what is given.",
        ),
        _verb(
            "person",
            "certificate:person",
            "Issue a person's certificate, which names the forces that the person may work for.",
        ),
    ),
    group(
        "database",
        "A PostgreSQL that others run.",
        _verb(
            "prepare",
            "database:prepare",
            "Make the roles, database and schemas in a PostgreSQL, or give its roles their new passwords.",
        ),
        _verb(
            "standing",
            "database:standing",
            "Write what is withdrawn and revoked now, before the database is taken back to an earlier time.",
        ),
        _verb(
            "restored",
            "database:restored",
            "After a restore by others: withdraw again what stood; close search and alerts.",
        ),
    ),
    group(
        "backup",
        "Backups of the suite on this machine, and of a PostgreSQL elsewhere.",
        _verb("key", "backup:key", "Make an age identity, and print its recipient."),
        _verb("create", "backup:create", "Make a base copy now."),
        _verb("list", "backup:list_backups", "List the base copies, and up to when the archive reaches."),
        _verb(
            "verify", "backup:verify", "Check all files of the archive; exit code 1 when something is wrong."
        ),
        _verb("prune", "backup:prune", "Delete backups that are past their time."),
        _verb("take-over", "backup:take_over", "Let this site write to an archive in place of another site."),
    ),
    _verb(
        "drill",
        "drill:drill",
        "Lose the primary database, and a whole site, in folders of its own; recover, and count.",
    ),
    _verb("restore", "restore:restore", "Restore a site from an archive into an empty folder."),
    _verb("access", "access:access", "Print who may call which RPC."),
)


@contextmanager
def _inert_errors() -> Iterator[None]:
    """Errors in the command line quote its words, such as file names: make them harmless for a terminal."""
    try:
        yield
    except Exception as error:
        # The class of such errors has no public name. All of them have a message.
        quoted, context = getattr(error, "message", None), getattr(error, "ctx", None)
        # A group without a verb raises its help, whose lines are ours.
        if isinstance(quoted, str) and not (context is not None and quoted == context.get_help()):
            error.message = inert(quoted)  # type: ignore[attr-defined]
        raise


class CommandLine(TyperGroup):
    """The whole command. With --json, errors in the command line are in JSON, too."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for command in COMMANDS:
            self.add_command(command)

    def main(self, *args: Any, **settings: Any) -> Any:
        """Run the command. Help is written outside of any verb; it, too, may meet a full disk."""
        try:
            return super().main(*args, **settings)
        except OSError as error:
            loaded("cli.output:fail")(loaded("cli.writing:unwritten")(error).message)
            sys.exit(Exit.FAILED)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remember whether JSON was asked for, also when the verb cannot be parsed."""
        ctx.meta[_JSON_ASKED] = "--json" in args
        with _inert_errors():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        try:
            with _inert_errors():
                return super().invoke(ctx)
        except Exception as error:
            # The class of such errors has no public name. All of them have this method.
            sentence = getattr(error, "format_message", None)
            if sentence is None or not ctx.meta[_JSON_ASKED]:
                raise
            write_json({"error": sentence(), "exit_code": int(Exit.USAGE), "reason": ""}, stream=sys.stderr)
            raise typer.Exit(Exit.USAGE) from None


app = typer.Typer(
    name="gantry",
    cls=CommandLine,
    help="Run a Gantry suite, feed it, and ask it. Start with `gantry up`.",
    epilog=f"Exit codes. {_CODES}.",
    no_args_is_help=True,
    rich_markup_mode=None,  # loading rich would take longer than everything else
    # A traceback of ours would show plates in local variables; --debug shows Python's plain one.
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gantry {loaded('importlib.metadata:version')('gantry')}")
        raise typer.Exit


@app.callback()
def gantry(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Run a Gantry suite, feed it, and ask it. Start with `gantry up`."""
