"""Scripts of Xen's that want what stands behind a disk as arguments: block-nbd and block-enbd.

xend started them through another script, which gave them the disk's parameters; libxl starts them with "add"
or "remove" alone, and they fail. A script of ours between the two gives them what they expect.

Source: tools/hotplug/Linux/block-nbd, block-enbd; the script block of Xen 3 ("block-$t $command $node").
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: Those that want arguments.
NAMES: Final = frozenset({"block-nbd", "block-enbd"})

#: Where ours are; root's alone.
FOLDER: Final = Path("/var/lib/domus/scripts")

_TEXT: Final = """\
#!/bin/sh
# Gives Xen's script of the same name the arguments that it had from xend. Made by xend.
set -f
case "$1" in
    add) words=$(xenstore-read "$XENBUS_PATH/params") ;;
    *) words=$(xenstore-read "$XENBUS_PATH/physical-device-path") ;;
esac
# Words of the configuration, "HOST PORT": apart, and never a shell's.
exec "/etc/xen/scripts/${0##*/}" "$1" $words
"""


def with_arguments(script: str) -> str:
    """The script to give to libxl for this one. Writes ours when it is not there yet: worker threads."""
    name = script.removeprefix("/etc/xen/scripts/")
    if name not in NAMES:
        return script
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = FOLDER / name
    if not path.exists() or path.read_text() != _TEXT:
        part = FOLDER / f".{name}.part"
        part.write_text(_TEXT)
        part.chmod(0o700)
        part.replace(path)
    return str(path)
