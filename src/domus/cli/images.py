"""`xm image`: stores of disk images on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from domus.cli import verbs
from domus.model.errors import BadInput, InUse, Unreachable

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from domus.cli.options import Call
    from domus.lab.progress import Report
    from domus.model.images import Image
    from domus.storage.images.base import Store
    from domus.storage.images.build.template import Template

#: options of `xm image build` whose values are a template's fields as they are
_SINGLE: Final = (
    *("distribution", "suite", "mirror", "keyring", "size", "fs", "swap", "hostname", "kernel", "user"),
    *("password-file", "release-files", "cloud-init"),
)


def run(call: Call) -> int:
    """`xm image VERB ...`.

    Raises:
        BadInput: for another host, whose store cannot be reached from here.
    """
    if call.host not in (None, "local"):
        raise BadInput(
            f"xm image works on this machine's store, not on that of {call.host}",
            hint="run it there; lab hosts have their disks from this machine",
        )
    return verbs.run(call)


def list_all(call: Call) -> int:
    """`xm image list`."""
    _no_words(call)
    found = store_of(call).images()
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(found))
        return 0
    from domus.storage.images.names import human

    print(f"{'Name':<24} {'Format':<7} {'Size':>10} {'On disk':>10}  Snapshots")
    for image in found:
        snapshots = ", ".join(snapshot.name for snapshot in image.snapshots)
        row = (
            f"{image.name:<24} {image.format.value:<7} {human(image.size_bytes):>10}"
            f" {human(image.used_bytes):>10}  {snapshots}"
        )
        print(row.rstrip())
    return 0


def info(call: Call) -> int:
    """`xm image info NAME`."""
    from domus.storage.images import users
    from domus.storage.images.names import human

    (name,) = words_of(call, 1)
    image = store_of(call).image(name)
    having = [f"{who}{'' if writes else ' (read-only)'}" for who, writes in users.users(Path(image.path))]
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document({**_fields(image), "open_by": having}))
        return 0
    rows = [
        ("Name", image.name),
        ("Store", image.store),
        ("Path", image.path),
        ("Format", image.format.value),
        ("Size", human(image.size_bytes)),
        ("On disk", human(image.used_bytes)),
        *(("Snapshot", snapshot.name) for snapshot in image.snapshots),
        *((("Shares data of", image.base),) if image.base else ()),
        *(("Clone", clone) for clone in image.clones),
        *(("Open by", who) for who in having),
    ]
    for label, value in rows:
        print(f"{label:<16}{value}")
    if image.clones:
        print("As long as it has clones it cannot be written; mode r works.")
    return 0


def create(call: Call) -> int:
    """`xm image create NAME SIZE`."""
    from domus.model.images import ImageFormat
    from domus.storage.images import converting, names

    name, size = words_of(call, 2)
    form = ImageFormat(call.value("format", "raw"))
    converting.create(store_of(call), name, names.size_bytes(size), form, full=call.has("full"))
    return 0


def build(call: Call) -> int:
    """`xm image build NAME`."""
    from domus.storage.images.build import make, template

    (name,) = words_of(call, 1)
    store = store_of(call)
    store.check_free(name)
    path = call.value("template")
    asked = template.from_file(Path(path)) if path else template.Template()
    wanted = template.look_up(_overlaid(call, asked), name)
    if not wanted.keys and not wanted.password and not wanted.user_data:
        print(
            "Warning: nobody will be able to log in: neither --ssh-key nor --password-file nor --cloud-init",
            file=sys.stderr,
        )
    with progress() as report:
        entry = make.build(store, wanted, report)
    print(f"Image {entry.name} is built: disk=['image:{entry.name},xvda,w'] ({entry.path})")
    return 0


def take_in(call: Call) -> int:
    """`xm image import FILE NAME`."""
    from domus.model.images import ImageFormat
    from domus.storage.images import importing, names
    from domus.storage.images.build import make

    file, name = words_of(call, 2)
    path, said = Path(file), call.value("from")
    form = ImageFormat(call.value("format", "raw"))
    is_tar = importing.format_of(path, said) == "tar"
    if not is_tar and (call.has("size") or call.has("fs")):
        raise call.wrong("--size and --fs are for a root in a tar file")
    store = store_of(call)
    with progress() as report:
        if is_tar:
            if not call.has("size"):
                raise call.wrong("a root in a tar file needs --size, that of its file system")
            size = names.size_bytes(call.value("size"))
            make.from_tar(store, path, name, size, call.value("fs", "ext4"), report)
        else:
            importing.take_in(store, path, name, form, report, said=said)
    return 0


def convert(call: Call) -> int:
    """`xm image convert NAME [NEWNAME]`."""
    from domus.model.images import ImageFormat
    from domus.storage.images import converting

    name, *more = words_of(call, 1, 2)
    form = ImageFormat(call.value("format")) if call.has("format") else None
    with progress() as report:
        converting.convert(store_of(call), name, more[0] if more else "", form, report)
    return 0


def clone(call: Call) -> int:
    """`xm image clone NAME NEWNAME`."""
    from domus.storage.images import cloning

    name, wanted = words_of(call, 2)
    cloning.clone(store_of(call), name, wanted)
    return 0


def snapshot(call: Call) -> int:
    """`xm image snapshot NAME SNAPSHOT`."""
    from domus.storage.images import cloning

    name, called = words_of(call, 2)
    with progress() as report:
        cloning.snapshot(store_of(call), name, called, report)
    return 0


def revert(call: Call) -> int:
    """`xm image revert NAME@SNAPSHOT`."""
    from domus.storage.images import cloning

    (reference,) = words_of(call, 1)
    if "@" not in reference:
        raise call.wrong(
            f"which state of {reference}?", hint=f"{reference}@SNAPSHOT; xm image info {reference}"
        )
    with progress() as report:
        cloning.revert(store_of(call), reference, report)
    return 0


def resize(call: Call) -> int:
    """`xm image resize NAME SIZE`."""
    from domus.storage.images import resizing
    from domus.storage.images.names import human

    name, size = words_of(call, 2)
    with progress() as report:
        done = resizing.resize(store_of(call), name, size, report, disk_only=call.has("disk-only"))
    print(f"{name}: {human(done.size_bytes)}{f'; {done.note}' if done.note else ''}")
    return 0


def seed(call: Call) -> int:
    """`xm image seed NAME FILE`."""
    from domus.storage.images.build import seed as seeds

    name, file = words_of(call, 2)
    seeds.make(store_of(call), name, file, call.value("network-config"), call.value("hostname"))
    return 0


def rm(call: Call) -> int:
    """`xm image rm NAME ...`."""
    if not call.words:
        raise call.wrong("'xm image rm' needs the name of an image")
    store = store_of(call)
    for name in call.words:
        if not call.has("force"):
            _check_not_kept(call, store, name)
        store.remove(name, with_snapshots=call.has("snapshots"))
    return 0


def store_of(call: Call) -> Store:
    """The store that a command is for."""
    from domus.storage.images import places, volumes

    store = places.store(call.value("store"))
    if isinstance(store, volumes.VolumeStore) and call.value("format", "raw") != "raw":
        raise call.wrong(f"{store} has raw images only")
    return store


def progress() -> AbstractContextManager[Report]:
    """How work gets on, told while the block lasts."""
    from domus.lab.progress import terminal

    return terminal()


def words_of(call: Call, fewest: int, most: int = 0) -> list[str]:
    """A verb's arguments."""
    if not fewest <= len(call.words) <= (most or fewest):
        raise call.wrong(f"'xm {call.command.name}' needs {call.command.usage.removesuffix(' [options]')}")
    return call.words


def _no_words(call: Call) -> None:
    if call.words:
        raise call.wrong(f"'xm {call.command.name}' takes no arguments")


def _fields(image: Image) -> dict[str, object]:
    return {name: getattr(image, name) for name in image.__struct_fields__}


def _overlaid(call: Call, asked: Template) -> Template:
    """What the command line says goes before what the template says."""
    import msgspec

    said: dict[str, object] = {word.replace("-", "_"): call.value(word) for word in _SINGLE if call.has(word)}
    if call.has("partition"):
        said["partition"] = True
    if call.has("packages"):
        lists = (each.replace(" ", ",").split(",") for each in call.values("packages"))
        said["packages"] = (*asked.packages, *(name for names in lists for name in names if name))
    if call.has("ssh-key"):
        said["ssh_keys"] = tuple(call.values("ssh-key"))
    try:
        return msgspec.convert({**msgspec.structs.asdict(asked), **said}, type(asked))
    except msgspec.ValidationError as error:
        raise BadInput(str(error)) from None


def _check_not_kept(call: Call, store: Store, reference: str) -> None:
    """Refuse to remove what a managed domain is configured with, on the host that this machine works with."""
    from domus.cli.target import without_starting

    entry = store.find(reference)
    target = without_starting(call.host)
    if target is None:
        return
    targets = {str(entry.path)}
    if not target.shares_files:
        from domus.lab.disks import serial_of

        targets.add(f"lun:{serial_of(entry.path)}")
    try:
        managed = target.client.managed.list()
    except Unreachable as error:
        raise Unreachable(
            f"which managed domains have {reference} cannot be told: {error.what}",
            hint="--force removes it all the same",
        ) from None
    for domain in managed:
        if any(disk.target in targets for disk in domain.config.disks):
            raise InUse(
                f"image {reference} is a disk of the managed domain {domain.name}",
                hint=f"xm delete {domain.name}",
            )
