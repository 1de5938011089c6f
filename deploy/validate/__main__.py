"""``python -m deploy.validate [OVERLAY..]``: build overlays and check them; exit code 1 for any problem."""

from __future__ import annotations

import argparse
import sys

from deploy.validate.build import OVERLAYS, BuildError, built
from deploy.validate.rules import problems


def main(arguments: list[str] | None = None) -> int:
    """Check the named overlays, by default all; print one line for each problem."""
    known = sorted(each.name for each in OVERLAYS.iterdir() if each.is_dir())
    parser = argparse.ArgumentParser(
        prog="python -m deploy.validate", description="Build overlays and check them."
    )
    parser.add_argument("overlays", nargs="*", default=known, help=f"of {', '.join(known)}; default: all")
    found = 0
    for name in parser.parse_args(arguments).overlays:
        try:
            overlay = built(name)
        except BuildError as error:
            sys.stderr.write(f"{name}: {error}\n")
            return 2
        said = list(problems(overlay))
        found += len(said)
        sys.stdout.writelines(f"{name}: {each}\n" for each in said)
        sys.stdout.write(f"{name}: {len(overlay.objects)} objects, {len(said) or 'no'} problems\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
