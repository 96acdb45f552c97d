"""`xm create -n`: what would be created, and what about it looks doubtful from here; no host is asked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from domus.cli.configfile import warn

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.config import Loaded


def is_asked_for(call: Call) -> bool:
    """Nothing shall be created: `-n` or `-x`.

    Raises:
        UsageError: `--json` without them, or with `-x`.
    """
    if call.has("json") and not call.has("dryrun"):
        raise call.wrong("--json is for the output of -n")
    if call.has("json") and call.has("xmldryrun"):
        raise call.wrong("-x prints XML and --json prints JSON; one of them")
    return call.has("dryrun") or call.has("xmldryrun")


def show(call: Call, loaded: Loaded) -> int:
    """Print the domain in SXP, as XML, or as JSON of Domus' own model without what is not set."""
    from domus.config.files import missing_kernel, wrong_formats

    # A disk that is not here is no surprise: most are on the host. One that is here can be looked into.
    warn(f"{missing} on this machine" for missing in missing_kernel(loaded.config))
    warn(wrong_formats(loaded.config))
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(loaded.config, without=(None, "", ())))
        return 0
    from domus.config.writing import convert

    written = convert(loaded.config, "xml" if call.has("xmldryrun") else "sxp")
    warn(written.losses)
    sys.stdout.write(written.text)
    return 0
