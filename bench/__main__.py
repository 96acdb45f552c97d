"""`make bench`: the figures that Domus reaches here. Prints a table, and JSON with --json."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Final

from bench.crowd import crowd
from bench.figures import Figure
from bench.images import images
from bench.languages import languages
from bench.living import idling, listing, living, starting
from bench.migrating import migrating, migrating_pv
from bench.network import carrying
from bench.plugging import plugging
from bench.saving import saving
from domus.model.errors import DomusError

#: each has hosts of its own, one after the other
PARTS: Final[dict[str, Callable[[int], list[Figure]]]] = {
    "start": starting,
    "life": living,
    "list": listing,
    "idle": idling,
    "devices": plugging,
    "network": carrying,
    "save": saving,
    "migrate": migrating,
    "migrate-pv": migrating_pv,
    "crowd": crowd,
    "languages": languages,
    "images": images,
}


def main() -> None:
    """Measure, and print each part as soon as it is there."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--runs", type=int, default=5, help="paired runs per figure (default 5)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if strange := {*options.parts} - {*PARTS}:
        parser.error(f"there is no part {min(strange)!r}: {', '.join(PARTS)}")
    figures: list[Figure] = []
    failed = False
    with tempfile.TemporaryDirectory(prefix="domus-bench-") as folder:
        os.environ["DOMUS_LAB"] = folder
        for name in options.parts or PARTS:
            try:
                found = PARTS[name](options.runs)
            except DomusError as error:
                # The other parts are worth having.
                print(f"{name}: {error.for_user()}", file=sys.stderr)
                failed = True
                continue
            figures += found
            for figure in found if not options.json else ():
                show(figure)
    if options.json:
        print(json.dumps([figure._asdict() for figure in figures], indent=2))
    sys.exit(failed)


def show(figure: Figure) -> None:
    """Print a figure as a line."""
    met = "met" if figure.value <= figure.aim else "MISSED"
    value = f"{figure.value:8.2f} {figure.unit:<4} aim {figure.aim:<6g}"
    print(f"{figure.what:<52} {value} {met:<7} {figure.detail}", flush=True)


if __name__ == "__main__":
    main()
