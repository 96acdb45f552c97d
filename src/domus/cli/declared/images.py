"""Disk images: stores of them, and building them from packages."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON

_FORMATS: Final = ("raw", "qcow2", "vhd")
_STORE: Final = Option(
    "",
    "store",
    "The store: a directory, or vg:NAME or vg:NAME/POOL; XM_IMAGES sets another default.",
    value="STORE",
)
_FORMAT: Final = Option(
    "",
    "format",
    f"The image's format: {', '.join(_FORMATS)}; raw by default.",
    value="FORMAT",
    choices=_FORMATS,
)
_FILE_SYSTEM: Final = Option(
    "",
    "fs",
    "The file system: ext4 (the default), xfs or btrfs.",
    value="FS",
    choices=("ext4", "xfs", "btrfs"),
)
_AS: Final = Option("", "as", "Its name where it goes to.", value="NAME")
_TESTED: Final = "storage/test_images.py"
_TRANSFERS: Final = "storage/test_image_transfers.py system/test_image_push.py"


def _verb(
    name: str,
    usage: str,
    sentence: str,
    *options: Option,
    counts: tuple[int, int] | None = None,
    tested: str = _TESTED,
    runs: str = "",
) -> Command:
    return Command(
        name=f"image {name}",
        usage=usage,
        sentence=sentence,
        runs=runs or f"images:{name.replace('import', 'take_in').replace('list', 'list_all')}",
        options=(*options, _STORE),
        counts=counts,
        needs_host=False,
        works="-",
        tested=tested,
    )


VERBS: Final = (
    _verb("list", "", "List the images of the store.", JSON),
    _verb("info", "IMAGE", "Show an image, its snapshots and clones, and who has it open.", JSON),
    _verb(
        "create",
        "NAME SIZE",
        "Make an empty image.",
        _FORMAT,
        Option("", "full", "Take its place on the disk now, so that it cannot run out later."),
    ),
    _verb(
        "build",
        "NAME [options]",
        "Build a root file system from a distribution's packages, with its own kernel, for any guest type.",
        Option("", "template", "Take what is not said here from this TOML file.", value="FILE"),
        Option("", "suite", "The release: trixie (the default), bookworm, noble...", value="SUITE"),
        Option("", "distribution", "debian, ubuntu, fedora, alpine, arch or opensuse.", value="NAME"),
        Option("", "mirror", "Where packages come from.", value="URL"),
        Option("", "keyring", "The keys that they are signed with.", value="FILE"),
        Option("", "size", "Of the whole disk; 4G by default.", value="SIZE"),
        _FILE_SYSTEM,
        Option("", "swap", "Add a swap partition of this size.", value="SIZE"),
        Option("", "partition", "Only the file system: no partition table, no boot loader of its own."),
        Option("", "hostname", "The guest's name; the image's by default.", value="NAME"),
        Option("", "packages", "More packages, with commas between; may be repeated.", value="NAME,..."),
        Option("", "kernel", "The kernel's package; none: the domain has kernel=.", value="PACKAGE"),
        Option("", "user", "Make a user who may use sudo, and who logs in instead of root.", value="NAME"),
        Option("", "ssh-key", "A public key, or a file with some; may be repeated.", value="FILE"),
        Option("", "password-file", "A file whose first line is the password.", value="FILE"),
        Option("", "release-files", "Lay the files of this folder over the root file system.", value="DIR"),
        Option("", "cloud-init", "Add cloud-init, with this user-data.", value="FILE"),
        tested="storage/test_image_build.py system/test_images.py",
    ),
    _verb(
        "import",
        "FILE NAME",
        "Make an image of a qcow2, VMDK, VHD, VDI, OVA or raw file, or of a root in a tar file.",
        Option("", "from", "The file's format, if its suffix does not tell.", value="FORMAT"),
        _FORMAT,
        Option("", "size", "Of the file system that a tar file is unpacked to.", value="SIZE"),
        _FILE_SYSTEM,
    ),
    _verb(
        "convert",
        "IMAGE [NAME]",
        "Write an image anew: under another name, or in its place without dead weight and without a base.",
        _FORMAT,
    ),
    _verb("clone", "IMAGE[@SNAPSHOT] NAME", "Make an image that begins as another one is, at once."),
    _verb("snapshot", "IMAGE SNAPSHOT", "Keep the present state of an image."),
    _verb("revert", "IMAGE@SNAPSHOT", "Let an image be again what it was; what it is now is lost."),
    _verb(
        "resize",
        "IMAGE [+|-]SIZE",
        "Make an image larger or smaller, with the file system at its end.",
        Option("", "disk-only", "Leave what is on the disk alone."),
    ),
    _verb("seed", "NAME FILE", "Make a disk with cloud-init's user-data for the image of a cloud (NoCloud).",
          Option("", "hostname", "The guest's name.", value="NAME"),
          Option("", "network-config", "cloud-init's network configuration.", value="FILE")),
    _verb(
        "push",
        "IMAGE[@SNAPSHOT] HOST",
        "Send an image to another host's store; broken off, the same command goes on.",
        _AS,
        runs="image_transfer:push",
        tested=_TRANSFERS,
    ),
    _verb(
        "pull",
        "IMAGE[@SNAPSHOT] HOST",
        "Fetch an image of another host's store; broken off, the same command goes on.",
        _AS,
        runs="image_transfer:pull",
        tested=_TRANSFERS,
    ),
    _verb(
        "rm",
        "IMAGE[@SNAPSHOT] ...",
        "Remove images or snapshots that nobody uses.",
        Option("", "snapshots", "Remove an image's snapshots with it."),
        Option("", "force", "Do not ask the host which managed domains have it."),
    ),
)  # fmt: skip

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="image",
        origin="domus",
        usage="list|info|create|build|import|convert|clone|snapshot|revert|resize|seed|push|pull|rm ...",
        sentence="Make, clone, resize and build disk images.",
        runs="images:run",
        works="pv",
        tested="storage/test_images.py storage/test_image_build.py system/test_images.py",
        needs_host=False,
        raw=True,
        verbs=VERBS,
    ),
)
