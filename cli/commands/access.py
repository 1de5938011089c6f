"""`gantry access`: who may call which RPC."""

from dataclasses import asdict
from typing import Any, Final

from cli.jsonlines import write_json
from cli.output import Column, table
from cli.verbs import Session, verb
from policy.access import Row, matrix

_COLUMNS: Final = (
    Column("rpc"),
    Column("callers", least=12),
    Column("permission", rank=1),
    Column("force", rank=3),
    Column("purpose", rank=4),
    Column("audit", least=16, rank=2),
)


@verb
def access(session: Session) -> None:
    """Print who may call which RPC. The contracts say so, so that no suite has to run."""
    rows = matrix()
    if session.as_json:
        write_json({"access": [_form(row) for row in rows]})
        return
    table(_COLUMNS, [_cells(row) for row in rows])


def _form(row: Row) -> dict[str, Any]:
    form = asdict(row)
    return {"rpc": form.pop("method"), **form}


def _cells(row: Row) -> list[str]:
    fields = f" ({', '.join(row.audit_fields)})" if row.audit_fields else ""
    audit = row.audit.lower().replace("_", " ") + fields
    return [row.method, ", ".join(row.callers), row.permission, row.force, row.purpose, audit]
