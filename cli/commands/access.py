"""`gantry access`: who may call which RPC."""

from dataclasses import asdict
from typing import Any

from cli.jsonlines import write_json
from cli.output import plain, table
from cli.verbs import Session, verb
from policy.access import Row, matrix


@verb
def access(session: Session) -> None:
    """Print who may call which RPC. The contracts say so, so that no suite has to run."""
    rows = matrix()
    if session.as_json:
        write_json({"access": [_form(row) for row in rows]})
        return
    columns = ("rpc", "callers", "permission", "force", "purpose", "audit")
    table(columns, [_cells(row) for row in rows])


def _form(row: Row) -> dict[str, Any]:
    form = asdict(row)
    return {"rpc": form.pop("method"), **form}


def _cells(row: Row) -> list[str]:
    fields = f" ({', '.join(row.audit_fields)})" if row.audit_fields else ""
    audit = row.audit.lower().replace("_", " ") + fields
    texts = (row.method, ", ".join(row.callers), row.permission, row.force, row.purpose, audit)
    return [plain(text) for text in texts]
