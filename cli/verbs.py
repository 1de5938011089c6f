"""What all verbs share: options, session, and how errors are shown."""

import functools
import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli.exits import CliError, Exit
from cli.faults import explained
from cli.jsonlines import write_json
from cli.output import fail, note

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
        help="Whose certificate to use; default: the one that names most forces.",
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

Verb = Callable[..., None]


def verb(function: Verb) -> Verb:
    """Make a function a verb: it is called with a Session and its own arguments.

    Typer sees the options of both.
    """

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
        # The reader of our pipe has ended (`| head`), which is no error.
        sys.stdout = None
        raise typer.Exit(Exit.OK) from None
    except Exception as error:  # noqa: BLE001 - every error has a sentence
        if debug:
            _show_trace(error)
        shown = explain(error)
        _tell(shown, as_json=as_json)
        raise typer.Exit(shown.code) from None


def explain(error: Exception) -> CliError:
    """The sentence and exit code for any error."""
    return error if isinstance(error, CliError) else explained(error)


def _show_trace(error: BaseException) -> None:
    """Where an error came from, and what caused it. Its text may quote what comes from outside."""
    cause: BaseException | None = error
    while cause is not None:
        for line in "".join(traceback.format_tb(cause.__traceback__)).splitlines():
            note(line)
        note(f"{type(cause).__name__}: {cause}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _tell(error: CliError, *, as_json: bool) -> None:
    if as_json:
        answer = {
            "error": "\n".join((error.message, *error.more)),
            "exit_code": int(error.code),
            "reason": error.reason,
        }
        write_json(answer, stream=sys.stderr)
        return
    fail(error.message)
    for line in error.more:
        note(line)
