"""`gantry force`: the forces whose reads are kept."""

from typing import Annotated
from uuid import uuid4

import typer
from gantry.store.v1.forces_pb2 import FORCE_STATE_RETIRED, Force

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
    columns = ("force", Column("name", least=12), "state", "since (UTC)")
    table(columns, [_row(force) for force in found])


def _row(force: Force) -> list[str | Marked]:
    retired = force.state == FORCE_STATE_RETIRED
    since = local_time(moment(force, "retired_at" if retired else "created_at"))
    return [force.code, force.name, Marked("retired", "dim") if retired else "active", since]
