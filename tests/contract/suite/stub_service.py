"""Stands where a service would: says it listens, then does what STUB says until told to end."""

import json
import os
import signal
import sys
import threading
from pathlib import Path


def main() -> None:
    manner = os.environ.get("STUB", "")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, signal.SIG_IGN if manner == "deaf" else lambda *_: ended.set())
    sys.stderr.write("stub says hello\n")
    if manner == "dies" or sys.argv[1:] == ["dies"]:
        sys.exit("stub cannot go on")
    if manner.startswith("{"):
        sys.stderr.write(f"{manner}\n")
    if "cannot start" in manner:
        sys.exit(1)
    if manner == "refuses":
        sys.exit(2)
    if manner != "mute" and not manner.startswith("{"):
        port_file = Path(os.environ["GANTRY_GRPC__PORT_FILE"])
        draft = port_file.with_suffix(".new")
        draft.write_text(json.dumps({"grpc": 1}))
        draft.replace(port_file)
    if Path(os.environ.get("STUB_DIES_WHEN_THERE", "/nonexistent")).exists():
        sys.exit(3)
    ended.wait(60)


if __name__ == "__main__":
    main()
