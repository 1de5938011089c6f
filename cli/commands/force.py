"""`gantry force`: the forces whose reads are kept."""

from typing import Annotated
from uuid import uuid4

import typer
from gantry.store.v1.forces_pb2 import FORCE_STATE_RETIRED, Area, Force, ForceSettings, WordList

from anpr.force import is_force
from cli.certificates import let_work_for
from cli.exits import CliError, Exit
from cli.forms import force_form, moment
from cli.jsonlines import write_json
from cli.links import connect
from cli.options import PurposeOption, ReferenceOption, purpose_of, run
from cli.output import Column, Marked, local_time, note, table
from cli.patience import run_patiently
from cli.verbs import Session, verb
from clients.forces import ForceClient

_ANYWHERE = "anywhere"
CodeArgument = Annotated[
    str, typer.Argument(metavar="CODE", help="Its code: a-z, 0-9 and dash, a letter first.")
]


@verb
def add(
    session: Session,
    code: CodeArgument,
    *,
    name: Annotated[
        str, typer.Option(help="Its name for people; default: its code.", show_default=False)
    ] = "",
    consumer: Annotated[
        list[str] | None,
        typer.Option(
            "--consumer",
            metavar="NAME",
            help="A destination that retention waits for from the first read on; repeat for more.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Create a force. Every service serves it within five seconds."""
    run(_add(session, code, name, consumer or []))


@verb
def list_forces(
    session: Session,
    *,
    retired: Annotated[bool, typer.Option("--retired", help="Also list forces that were retired.")] = False,
) -> None:
    """List the forces."""
    run_patiently(session, "store", lambda: _list(session, include_retired=retired))


@verb
def change(
    session: Session,
    code: CodeArgument,
    *,
    purpose: PurposeOption,
    reference: ReferenceOption = "",
    area: Annotated[
        str,
        typer.Option(
            metavar="S,W,N,E",
            help="Where its cameras are, in degrees; positions outside are doubted. Or: anywhere.",
            show_default=False,
        ),
    ] = "",
    not_read_word: Annotated[
        list[str] | None,
        typer.Option(
            "--not-read-word",
            metavar="WORD",
            help="A word for a plate that was not read; repeat for more. They replace the words it has.",
            show_default=False,
        ),
    ] = None,
    usual_words: Annotated[
        bool, typer.Option("--usual-words", help="Take the usual words again, such as UNKNOWN and NOPLATE.")
    ] = False,
) -> None:
    """Change the settings of a force. What is not given stays. Every service follows within five seconds."""
    why = purpose_of(purpose, reference)
    if not (area or not_read_word or usual_words):
        raise CliError("say what to change: --area, --not-read-word or --usual-words", Exit.USAGE)
    if not_read_word and usual_words:
        raise CliError("--not-read-word and --usual-words exclude each other", Exit.USAGE)

    async def work() -> None:
        async with connect(session.home, session.person) as links:
            chosen, forces = links.person.require(code), await links.forces()
            settings = await _settings_of(forces, chosen)
            _change(settings, area, not_read_word or [], usual_words=usual_words)
            force = await forces.change(chosen, settings, why)
        _tell(session, force, f"force {force.code} is changed; every service follows within five seconds")

    run_patiently(session, "store", work)


@verb
def retire(
    session: Session,
    code: CodeArgument,
    *,
    purpose: PurposeOption,
    reference: ReferenceOption = "",
) -> None:
    """Retire a force for good. Its feeds can deliver nothing more; its code is not free again."""
    why = purpose_of(purpose, reference)

    async def work() -> None:
        async with connect(session.home, session.person) as links:
            force = await (await links.forces()).retire(links.person.require(code), why)
        _tell(session, force, f"force {force.code} is retired")

    run_patiently(session, "store", work)


async def _settings_of(forces: ForceClient, code: str) -> ForceSettings:
    for force in await forces.forces(include_retired=True):
        if force.code == code:
            return force.settings
    raise CliError(f"there is no force {code}; `gantry force list` shows them", Exit.NOT_FOUND)


def _change(settings: ForceSettings, area: str, words: list[str], *, usual_words: bool) -> None:
    if area == _ANYWHERE:
        settings.ClearField("area")
    elif area:
        settings.area.CopyFrom(_area_of(area))
    if usual_words:
        settings.ClearField("not_read_words")
    elif words:
        settings.not_read_words.CopyFrom(WordList(words=words))


def _area_of(text: str) -> Area:
    try:
        south, west, north, east = map(float, text.split(","))
    except ValueError:
        said = f"--area {text}: give south,west,north,east in degrees, such as 51.4,-0.1,52.2,1.4"
        raise CliError(said, Exit.USAGE) from None
    return Area(south=south, west=west, north=north, east=east)


async def _add(session: Session, code: str, name: str, consumers: list[str]) -> None:
    if not is_force(code):
        raise CliError(f"{code!r} is no force code: 1 to 32 of a-z, 0-9 and dash, a letter first", Exit.USAGE)
    request_id = uuid4()
    let_work_for(session.home, session.person, code)
    async with connect(session.home, session.person) as links:
        forces = await links.forces()
        force = await forces.create(code, name=name, consumers=consumers, request_id=request_id)
    _tell(session, force, f"force {force.code} is created; every service serves it within five seconds")


def _tell(session: Session, force: Force, sentence: str) -> None:
    if session.as_json:
        write_json(force_form(force))
    else:
        note(sentence)


async def _list(session: Session, *, include_retired: bool) -> None:
    async with connect(session.home, session.person) as links:
        found = await (await links.forces()).forces(include_retired=include_retired)
    if session.as_json:
        write_json({"forces": [force_form(force) for force in found]})
        return
    if not found:
        note("no forces; `gantry force add` creates one")
        return
    columns = (
        "force",
        Column("name", least=12),
        "state",
        Column("since (UTC)", rank=3),
        Column("area (S,W,N,E)", rank=2),
        Column("words for no plate", least=20, rank=1),
    )
    table(columns, [_row(force) for force in found])


def _row(force: Force) -> list[str | Marked]:
    retired = force.state == FORCE_STATE_RETIRED
    since = local_time(moment(force, "retired_at" if retired else "created_at"))
    state = Marked("retired", "dim") if retired else "active"
    return [force.code, force.name, state, since, _area_text(force.settings), _words_text(force.settings)]


def _area_text(settings: ForceSettings) -> str:
    if not settings.HasField("area"):
        return _ANYWHERE
    area = settings.area
    return ",".join(f"{angle:g}" for angle in (area.south, area.west, area.north, area.east))


def _words_text(settings: ForceSettings) -> str:
    if not settings.HasField("not_read_words"):
        return "the usual ones"
    return ", ".join(settings.not_read_words.words) or "none"
