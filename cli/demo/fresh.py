"""A fresh folder for the demo. Only the state of an earlier demo is deleted."""

import shutil
from pathlib import Path

from cli.exits import CliError
from suite.layout import Layout
from suite.lock import FolderLock
from suite.postgres_home import find_home


def make_fresh(folder: Path) -> None:
    """Delete an earlier demo's state. CliError for a folder that is no suite's, SuiteError if one runs."""
    layout = Layout(folder.absolute())
    if not folder.exists():
        return
    ours = layout.state.exists() or layout.lock.exists()
    if not ours and any(folder.iterdir()):
        raise CliError(f"{folder} is not empty and no suite made it: move it away or choose another --home")
    lock = FolderLock(layout.lock)
    lock.take()
    try:
        find_home(layout.postgres).erase()
        shutil.rmtree(layout.folder)
    finally:
        lock.release()
