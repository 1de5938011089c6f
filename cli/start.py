"""Where the `gantry` program begins."""

import sys


def main() -> None:
    """Run the command. Where its packages are not installed, end with a sentence that names the extra."""
    try:
        from cli.main import app  # noqa: PLC0415 - what it imports may be missing
    except ModuleNotFoundError as missing:
        if missing.name != "typer":
            raise
        sys.exit(
            "The packages of the gantry command are not installed: install gantry[command] instead of gantry."
        )
    app()
