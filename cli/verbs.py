"""What every verb has in common: its options, its session, and how its errors are shown."""

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from cli.exits import CliError, Exit
from cli.output import notes, write_json

DEFAULT_HOME: Final = Path(".gantry")


@dataclass(frozen=True)
class Session:
    """Which suite a verb speaks to, as whom, and in which form it answers."""

    home: Path
    person: str | None
    as_json: bool


_HOME = Annotated[Path, typer.Option("--home", envvar="GANTRY_HOME", help="Folder of the suite.")]
_PERSON = Annotated[
    str | None,
    typer.Option(
        "--as",
        envvar="GANTRY_AS",
        metavar="PERSON",
        help="Whose certificate to use; default: the unit's own person.",
        show_default=False,
    ),
]
_JSON = Annotated[bool, typer.Option("--json", help="Answer in JSON; streams in JSON lines.")]
_DEBUG = Annotated[
    bool,
    typer.Option("--debug", envvar="GANTRY_DEBUG", help="Show where an error came from."),
]
_COMMON: Final = (
    ("home", _HOME, DEFAULT_HOME),
    ("person", _PERSON, None),
    ("json", _JSON, False),
    ("debug", _DEBUG, False),
)

_JSON_ASKED: Final = "gantry.json"

Verb = Callable[..., None]


def verb(app: typer.Typer, name: str, **settings: Any) -> Callable[[Verb], Verb]:
    """Add a function as a verb; it gets a Session first, then its own arguments."""

    def add(function: Verb) -> Verb:
        app.command(name, **settings)(_with_session(function))
        return function

    return add


class CommandLine(TyperGroup):
    """The whole command. After --json it says in JSON, too, what is wrong with the words that were typed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remember whether JSON was asked for: verbs that cannot be parsed are never told."""
        ctx.meta[_JSON_ASKED] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            # The class of such errors has no public name; what they have in common is this method.
            sentence = getattr(error, "format_message", None)
            if sentence is None or not ctx.meta[_JSON_ASKED]:
                raise
            _tell(CliError(sentence(), Exit.USAGE), as_json=True)
            raise typer.Exit(Exit.USAGE) from None


def _with_session(function: Verb) -> Verb:
    @functools.wraps(function)
    def run(*, home: Path, person: str | None, json: bool, debug: bool, **own: Any) -> None:
        guarded(lambda: function(Session(home, person, json), **own), as_json=json, debug=debug)

    own = list(inspect.signature(function).parameters.values())[1:]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, kind, default in _COMMON
    ]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own] + common
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    del run.__wrapped__
    return run


def guarded(call: Callable[[], None], *, as_json: bool, debug: bool) -> None:
    """Run a verb; whatever goes wrong becomes one sentence and an exit code."""
    try:
        call()
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of our pipe has what it wanted (`| head`): end without a complaint.
        sys.stdout = None
        raise typer.Exit(Exit.OK) from None
    except Exception as error:
        if debug:
            raise
        shown = explain(error)
        _tell(shown, as_json=as_json)
        raise typer.Exit(shown.code) from None


def explain(error: Exception) -> CliError:
    """The sentence and exit code for any error."""
    if isinstance(error, CliError):
        return error
    from cli.faults import explained

    return explained(error)


def _tell(error: CliError, *, as_json: bool) -> None:
    if as_json:
        answer = {"error": error.message, "exit_code": int(error.code), "reason": error.reason}
        write_json(answer, stream=sys.stderr)
        return
    sentence, _, rest = error.message.partition("\n")
    notes().print(f"gantry: {sentence}", style="bold red", markup=False)
    if rest:
        notes().print(rest, style="dim", markup=False)
