"""`gantry audit`: who looked at what, and why."""

from typing import Annotated, Any, Final

import typer
from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_VIEW_IMAGE, AuditAction
from gantry.store.v1.audit_pb2 import AuditRecord
from gantry.store.v1.search_pb2 import ImageKind

from cli.exits import CliError
from cli.forms import audit_form, kind_word, moment, word
from cli.jsonlines import write_json
from cli.links import connect
from cli.options import ForcesOption, first
from cli.output import Column, counted, local_time, note, note_cut, table
from cli.patience import run_patiently
from cli.verbs import Session, verb

_PAGE = 1000
_COLUMNS: Final = (
    Column("force", rank=2),
    Column("no.", right=True),
    Column("when (UTC)"),
    Column("person"),
    Column("action", least=6),
    Column("subject", rank=3, least=14),
    Column("reason", rank=1, least=14),
    Column("reference", rank=4),
)


@verb
def list_records(
    session: Session,
    *,
    force: ForcesOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Most records of each force, newest first.")] = 50,
) -> None:
    """List the audit trail, newest first."""
    run_patiently(session, "store", lambda: _list(session, force or [], limit))


@verb
def verify(session: Session, *, force: ForcesOption = None) -> None:
    """Recompute the chain of audit records; exit code 1 when a record was changed or is missing."""
    run_patiently(session, "store", lambda: _verify(session, force or []), takes_its_time=True)


async def _list(session: Session, forces: list[str], limit: int) -> None:
    found: list[tuple[str, AuditRecord]] = []
    cut: list[str] = []
    async with connect(session.home, session.person) as links:
        chosen, audit = links.person.chosen(forces), await links.audit()
        for force in chosen:
            newest = audit.records(force, page_size=min(_PAGE, limit + 1))
            page = [(force, record) async for record in first(newest, limit + 1)]
            found += page[:limit]
            cut += [force] if len(page) > limit else []
    if session.as_json:
        write_json({"records": [audit_form(*one) for one in found], "more": bool(cut)})
        return
    table(_COLUMNS, [_row(*one) for one in found])
    note_cut(cut, limit)


async def _verify(session: Session, forces: list[str]) -> None:
    found: list[dict[str, Any]] = []
    async with connect(session.home, session.person) as links:
        chosen, audit = links.person.chosen(forces), await links.audit(whole_chain=True)
        for force in chosen:
            answer = await audit.verify(force)
            found.append({"force": force, "records": answer.records, "first_broken": answer.first_broken})
    broken = [one for one in found if one["first_broken"]]
    if session.as_json:
        write_json({"chains": found, "whole": not broken})
    for one in () if session.as_json else found:
        if not one["first_broken"]:
            note(f"{one['force']}: the chain of {counted(one['records'], 'record')} is whole")
    if broken:
        names = ", ".join(f"{one['force']} at record {one['first_broken']:,}" for one in broken)
        raise CliError(f"the audit trail does not hold: {names} was changed, or one before it is missing")


def _row(force: str, record: AuditRecord) -> list[str]:
    action = word(AuditAction, record.action, "AUDIT_ACTION_").replace("_", " ")
    texts = (_subject(record), record.purpose.justification, record.purpose.reference)
    return [
        force,
        str(record.number),
        local_time(moment(record, "recorded_at")),
        record.person,
        action,
        *texts,
    ]


def _subject(record: AuditRecord) -> str:
    """What was looked at. The record has the contract's name for a picture's kind, `gantry image` a word."""
    if record.action != AUDIT_ACTION_VIEW_IMAGE:
        return record.subject
    kinds = {name: kind_word(number) for name, number in ImageKind.items()}
    return " ".join(kinds.get(one, one) for one in record.subject.split(" "))
