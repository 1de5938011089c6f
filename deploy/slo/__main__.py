"""Write deploy/monitoring again from slo.toml and the files of alarms, or check that it is what they say."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from deploy.slo.alarms import alarms_in
from deploy.slo.derived import derived
from deploy.slo.objectives import objectives_in
from deploy.slo.rules import RUNBOOKS, Rules

_HERE: Final = Path(__file__).parents[1]


def main() -> int:
    """Write or check. Exit code 1: a file differs from its source; 2: a source cannot be used."""
    asked = _arguments()
    try:
        rules = _rules(asked)
    except (ValueError, KeyError) as error:
        sys.stderr.write(f"cannot derive rules: {error}\n")
        return 2
    files = derived(rules)
    if asked.check:
        return _check(asked.into, files)
    for name, text in files.items():
        file = asked.into / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return 0


def _rules(asked: argparse.Namespace) -> Rules:
    alarms, database = alarms_in(asked.alarms), alarms_in(asked.database)
    if unknown := sorted(set(asked.without) - alarms.names() - database.names()):
        raise ValueError(f"there is no alarm {', '.join(unknown)} to leave out")
    return Rules(
        objectives_in(asked.objectives),
        alarms.without(asked.without),
        runbooks=asked.runbooks,
        database=database.without(asked.without),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.slo", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    parser.add_argument("--into", type=Path, default=_HERE / "monitoring", help="the folder of the files")
    parser.add_argument("--objectives", type=Path, default=_HERE / "slo.toml")
    parser.add_argument("--alarms", type=Path, default=_HERE / "alarms.toml")
    parser.add_argument("--database", type=Path, default=_HERE / "alarms-cloudnative-pg.toml")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="ALARM",
        help="leave out an alarm that is no objective's",
    )
    parser.add_argument(
        "--runbooks", default=RUNBOOKS, help="address or folder that links to runbooks begin with"
    )
    return parser.parse_args()


def _check(folder: Path, files: dict[str, str]) -> int:
    stale = [name for name, text in files.items() if _text(folder / name) != text]
    for name in stale:
        sys.stderr.write(
            f"{folder / name} is not what slo.toml and the files of alarms say; run `make alarms`\n"
        )
    return 1 if stale else 0


def _text(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None


if __name__ == "__main__":
    sys.exit(main())
