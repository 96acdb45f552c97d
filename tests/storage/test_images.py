"""Stores of images: clones, snapshots, resizing, importing; and what is left when one of them is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from domus.model.errors import AlreadyExists, BadInput, Busy, Conflict, DomusError, InUse, NotFound
from domus.model.images import ImageFormat
from domus.storage.images import cloning, converting, importing, names, partitions, resizing
from domus.storage.images.base import Entry
from domus.storage.images.build import make, seed
from domus.storage.images.store import DirectoryStore

MIB = 1 << 20
RAW, QCOW2, VHD = ImageFormat.RAW, ImageFormat.QCOW2, ImageFormat.VHD


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def qemu_io(entry: Entry, *commands: str) -> str:
    """Read or write the disk that an image holds, as its guest would."""
    argv = ["qemu-io", "-f", entry.format.value, *(word for each in commands for word in ("-c", each))]
    done = subprocess.run([*argv, str(entry.path)], capture_output=True, text=True, check=True)
    assert "failed" not in done.stdout, done.stdout
    return done.stdout


def holds(entry: Entry, pattern: int, at: str = "0") -> bool:
    """The image has 64 KiB of this byte there."""
    argv = ["qemu-io", "-r", "-f", entry.format.value, "-c", f"read -P {pattern} {at} 64k", str(entry.path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return "verification failed" not in done.stdout and "64 KiB" in done.stdout


def made(store: DirectoryStore, name: str, form: ImageFormat = RAW, pattern: int = 1) -> Entry:
    entry = converting.create(store, name, 32 * MIB, form)
    qemu_io(entry, f"write -P {pattern} 0 64k")
    return entry


def listed(store: DirectoryStore) -> list[str]:
    return sorted(path.name for path in store.directory.iterdir() if path.name != ".lock")


@pytest.mark.parametrize("form", [RAW, QCOW2, VHD])
def test_an_empty_image_has_the_size_that_was_asked_for(store: DirectoryStore, form: ImageFormat) -> None:
    converting.create(store, "web", 48 * MIB, form)
    (image,) = store.images()
    assert (image.name, image.format, image.size_bytes) == ("web", form, 48 * MIB)
    assert image.used_bytes < MIB


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "a@b", "x" * 64, "näme", "a\n"])
def test_no_image_gets_a_name_that_is_a_path_or_not_to_be_read(store: DirectoryStore, name: str) -> None:
    with pytest.raises(BadInput):
        converting.create(store, name, MIB)
    assert not store.directory.exists()


@pytest.mark.parametrize(
    ("text", "size"),
    [("4G", 4 << 30), ("512M", 512 << 20), ("1.5G", 3 << 29), ("8GiB", 8 << 30), ("1k", 1024)],
)
def test_sizes_have_units_of_1024(text: str, size: int) -> None:
    assert names.size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "4", "G", "-4G", "4X", "0G", "9999999T", "1e9G", "٤G"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        names.size_bytes(text)


def test_a_name_that_is_taken_is_refused_and_its_image_is_as_it_was(store: DirectoryStore) -> None:
    entry = made(store, "web")
    with pytest.raises(AlreadyExists, match="web"):
        converting.create(store, "web", MIB, QCOW2)
    assert holds(entry, 1)
    assert listed(store) == ["web.raw"]


@pytest.mark.parametrize("form", [RAW, QCOW2])
def test_a_clone_begins_as_its_image_and_then_goes_its_own_way(
    store: DirectoryStore, form: ImageFormat
) -> None:
    made(store, "base", form)
    clone = cloning.clone(store, "base", "web")
    assert holds(clone, 1)
    qemu_io(clone, "write -P 2 0 64k")
    assert holds(clone, 2)
    assert holds(store.find("base"), 1)


def test_an_image_with_clones_is_neither_written_nor_removed_until_they_are_gone(
    store: DirectoryStore,
) -> None:
    base = made(store, "base")
    clone = cloning.clone(store, "base", "web")
    if clone.format is RAW:
        pytest.skip("this file system shares blocks: clones need nothing of their image")
    assert base.path.stat().st_mode & 0o777 == 0o400
    assert store.image("base").clones == ("web",)
    assert store.image("web").base == "base"
    with pytest.raises(InUse, match="web"):
        store.remove("base")
    store.remove("web")
    assert base.path.stat().st_mode & 0o777 == 0o600
    assert listed(store) == ["base.raw"]


def test_a_clone_that_is_written_anew_needs_its_image_no_longer(store: DirectoryStore) -> None:
    made(store, "base")
    cloning.clone(store, "base", "web")
    converting.convert(store, "web")
    store.remove("base")
    assert holds(store.find("web"), 1)
    assert len(listed(store)) == 1


@pytest.mark.parametrize("form", [RAW, QCOW2])
def test_a_snapshot_brings_back_what_was(store: DirectoryStore, form: ImageFormat) -> None:
    made(store, "web", form)
    cloning.snapshot(store, "web", "before")
    qemu_io(store.find("web"), "write -P 2 0 64k")
    assert [snapshot.name for snapshot in store.image("web").snapshots] == ["before"]
    cloning.revert(store, "web@before")
    assert holds(store.find("web"), 1)
    qemu_io(store.find("web"), "write -P 3 0 64k")
    assert holds(store.find("web@before"), 1)
    assert store.remove("web", with_snapshots=True) == ["web@before", "web"]
    assert listed(store) == []


def test_snapshots_of_clones_and_clones_of_snapshots_keep_what_they_need(store: DirectoryStore) -> None:
    made(store, "base")
    cloning.clone(store, "base", "web")
    cloning.snapshot(store, "web", "one")
    cloning.clone(store, "web@one", "other")
    qemu_io(store.find("web"), "write -P 2 0 64k")
    converting.convert(store, "web")
    assert holds(store.find("web"), 2)
    assert holds(store.find("other"), 1)
    for reference in ("other", "web@one", "web", "base"):
        store.remove(reference)
    assert listed(store) == []


def test_an_image_with_snapshots_goes_only_with_them(store: DirectoryStore) -> None:
    made(store, "web")
    cloning.snapshot(store, "web", "before")
    with pytest.raises(InUse, match="before"):
        store.remove("web")
    assert store.remove("web", with_snapshots=True) == ["web@before", "web"]


def test_an_image_that_somebody_writes_is_left_alone(store: DirectoryStore) -> None:
    entry = made(store, "web")
    with subprocess.Popen(
        [sys.executable, "-c", f"f = open({str(entry.path)!r}, 'r+b'); print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        for attempt in (
            lambda: cloning.clone(store, "web", "other"),
            lambda: cloning.snapshot(store, "web", "now"),
            lambda: resizing.resize(store, "web", "64M"),
            lambda: store.remove("web"),
        ):
            with pytest.raises(InUse, match=f"process {writer.pid}"):
                attempt()
        writer.communicate(b"\n")
    assert listed(store) == ["web.raw"]


def test_two_commands_do_not_change_an_image_at_once(store: DirectoryStore) -> None:
    made(store, "web")
    with store.claimed("web"), pytest.raises(Busy):
        resizing.resize(store, "web", "64M")


def test_nothing_is_found_under_a_name_that_nothing_has(store: DirectoryStore) -> None:
    made(store, "web")
    for reference in ("no", "web@no"):
        with pytest.raises(NotFound):
            store.find(reference)


# Resizing


def with_ext4(store: DirectoryStore, tmp_path: Path, *, table: bool) -> Entry:
    """An image with a file system that has a file of random bytes in it."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "data").write_bytes(os.urandom(MIB))
    part = tmp_path / "part"
    part.touch()
    os.truncate(part, 28 * MIB)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", folder, part], check=True)
    entry = converting.create(store, "disk", (32 if table else 28) * MIB)
    if table:
        partitions.write(entry.path, "label: gpt\nstart=2048, size=2048\nstart=4096, size=57344\n")
    subprocess.run(
        [
            "dd",
            f"if={part}",
            f"of={entry.path}",
            "bs=1M",
            f"seek={2 if table else 0}",
            "conv=notrunc",
            "status=none",
        ],
        check=True,
    )
    return entry


def file_in(entry: Entry, tmp_path: Path) -> bytes:
    """The file of `with_ext4` as it is now, in a file system that e2fsck finds no fault with."""
    last = partitions.layout(entry.path).last
    part = tmp_path / "look"
    with entry.path.open("rb") as disk:
        disk.seek(last.start_bytes)
        part.write_bytes(disk.read(last.size_bytes))
    subprocess.run(["e2fsck", "-f", "-n", part], check=True, capture_output=True)
    subprocess.run(["debugfs", "-R", f"dump data {tmp_path}/out", part], check=True, capture_output=True)
    return (tmp_path / "out").read_bytes()


@pytest.mark.parametrize("table", [True, False], ids=["gpt", "bare"])
@pytest.mark.parametrize("size", ["48M", "24M"])
def test_the_file_system_is_resized_with_its_disk(
    store: DirectoryStore, tmp_path: Path, table: bool, size: str
) -> None:
    entry = with_ext4(store, tmp_path, table=table)
    before = partitions.layout(entry.path).last.size_bytes
    resizing.resize(store, "disk", size)
    assert store.image("disk").size_bytes == names.size_bytes(size)
    found = partitions.layout(entry.path)
    assert (found.last.content, found.table) == ("ext4", "gpt" if table else "")
    assert (found.last.size_bytes > before) == (size == "48M")
    if table:
        subprocess.run(["sfdisk", "--verify", entry.path], check=True, capture_output=True)
    assert file_in(entry, tmp_path) == (tmp_path / "files/data").read_bytes()


def test_a_disk_is_not_made_smaller_than_what_is_on_it(store: DirectoryStore, tmp_path: Path) -> None:
    entry = with_ext4(store, tmp_path, table=True)
    before = entry.path.read_bytes()
    with pytest.raises(Conflict, match="too small"):
        resizing.resize(store, "disk", "4M")
    assert entry.path.read_bytes() == before
    assert listed(store) == ["disk.raw"]


def test_what_is_not_known_is_not_cut_off(store: DirectoryStore) -> None:
    made(store, "web")
    with pytest.raises(BadInput, match="cannot be made smaller"):
        resizing.resize(store, "web", "-8M")
    resizing.resize(store, "web", "+8M", disk_only=True)
    assert store.image("web").size_bytes == 40 * MIB
    assert holds(store.find("web"), 1)


def test_a_qcow2_clone_is_resized_and_its_image_is_not(store: DirectoryStore, tmp_path: Path) -> None:
    with_ext4(store, tmp_path, table=True)
    cloning.clone(store, "disk", "web")
    resizing.resize(store, "web", "128M")
    assert [image.size_bytes // MIB for image in store.images()] == [32, 128]
    if store.find("web").format is QCOW2:
        converting.convert(store, "web", "flat", RAW)
    assert file_in(store.find("flat"), tmp_path) == (tmp_path / "files/data").read_bytes()


# Importing


@pytest.mark.parametrize("suffix", ["qcow2", "vmdk", "vhd", "vhdx", "vdi", "img"])
def test_foreign_formats_become_images(store: DirectoryStore, tmp_path: Path, suffix: str) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(os.urandom(2 * MIB))
    foreign = tmp_path / f"foreign.{suffix}"
    driver = {"vhd": "vpc", "img": "raw"}.get(suffix, suffix)
    option = ["-o", "force_size=on"] if suffix == "vhd" else []
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", driver, *option, raw, foreign], check=True)
    entry = importing.take_in(store, foreign, "web")
    assert entry.path.read_bytes() == raw.read_bytes()


def test_an_ova_has_one_disk_whatever_it_calls_it(store: DirectoryStore, tmp_path: Path) -> None:
    raw, disk = tmp_path / "raw", tmp_path / "disk.vmdk"
    raw.write_bytes(os.urandom(MIB))
    subprocess.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, disk],
        check=True,
    )
    (tmp_path / "it.ovf").write_text("<Envelope/>")
    with tarfile.open(tmp_path / "it.ova", "w") as archive:
        archive.add(tmp_path / "it.ovf", "it.ovf")
        archive.add(disk, "../../../../tmp/evil.vmdk")
    entry = importing.take_in(store, tmp_path / "it.ova", "web")
    assert entry.path.read_bytes() == raw.read_bytes()


def test_an_image_that_names_other_files_is_not_followed(store: DirectoryStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * MIB)
    qcow2, vmdk = tmp_path / "evil.qcow2", tmp_path / "evil.vmdk"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", secret, "-F", "raw", qcow2, "1M"], check=True
    )
    vmdk.write_text(
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
        f'createType="monolithicFlat"\nRW 2048 FLAT "{secret}" 0\n'
        'ddb.geometry.cylinders = "1"\nddb.geometry.heads = "16"\nddb.geometry.sectors = "63"\n'
    )
    for foreign in (qcow2, vmdk):
        with pytest.raises(DomusError, match=r"another file|VMDK"):
            importing.take_in(store, foreign, "web")
    assert listed(store) == []


def test_a_format_is_told_and_not_guessed(store: DirectoryStore, tmp_path: Path) -> None:
    foreign = tmp_path / "cloud.img"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", foreign, "1M"], check=True)
    with pytest.raises(BadInput, match="looks like qcow2"):
        importing.take_in(store, foreign, "web")
    importing.take_in(store, foreign, "web", said="qcow2")
    shutil.copy(foreign, tmp_path / "nothing")
    with pytest.raises(BadInput, match="tells no format"):
        importing.take_in(store, tmp_path / "nothing", "other")


def test_a_root_in_a_tar_file_becomes_a_file_system(store: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "root/usr/bin").mkdir(parents=True)
    (tmp_path / "root/usr/bin/tool").write_bytes(b"a tool")
    (tmp_path / "root/usr/bin/tool").chmod(0o4755)
    subprocess.run(["tar", "-C", tmp_path / "root", "-czf", tmp_path / "it.tar.gz", "."], check=True)
    entry = make.from_tar(store, tmp_path / "it.tar.gz", "web", 64 * MIB)
    subprocess.run(["e2fsck", "-f", "-n", entry.path], check=True, capture_output=True)
    asked = ["debugfs", "-R", "stat usr/bin/tool", str(entry.path)]
    assert "Mode:  04755" in subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    (tmp_path / "no.tar").write_bytes(b"no archive")
    with pytest.raises(BadInput, match="does not look like a tar archive"):
        make.from_tar(store, tmp_path / "no.tar", "other", 64 * MIB)
    assert listed(store) == ["web.raw"]


def test_a_seed_is_a_disk_that_cloud_init_looks_for(store: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "user-data").write_text("#cloud-config\npackages: [nginx]\n")
    entry = seed.make(store, "seed", str(tmp_path / "user-data"), hostname="web1")
    asked = ["blkid", "-p", "-o", "value", "-s", "LABEL", str(entry.path)]
    assert subprocess.run(asked, check=True, capture_output=True, text=True).stdout == "cidata\n"
    content = entry.path.read_bytes()
    assert b"packages: [nginx]" in content
    assert b"local-hostname: web1" in content
    (tmp_path / "other").write_text("nothing of cloud-init's")
    with pytest.raises(BadInput, match="not user-data"):
        seed.make(store, "other", str(tmp_path / "other"))


def test_a_killed_build_ends_with_all_that_it_has_started(store: DirectoryStore, tmp_path: Path) -> None:
    """It is killed while it unpacks an endless root; the next command finds nobody at work in the store."""
    os.mkfifo(tmp_path / "endless.tar")
    code = "import sys; from pathlib import Path; from domus.storage.images.build import make;"
    code += " from domus.storage.images.store import DirectoryStore;"
    code += " make.from_tar(DirectoryStore(Path(sys.argv[1])), Path(sys.argv[2]), 'web', 64 << 20)"
    argv = [sys.executable, "-c", code, str(store.directory), str(tmp_path / "endless.tar")]
    with subprocess.Popen(argv) as build:
        # Opening it for writing waits for tar, which reads it.
        descriptor = os.open(tmp_path / "endless.tar", os.O_WRONLY)
        build.kill()
    try:
        end = time.monotonic() + 30
        with pytest.raises(BrokenPipeError):
            while time.monotonic() < end:
                os.write(descriptor, b"x" * 512)
                time.sleep(0.05)
    finally:
        os.close(descriptor)
    converting.create(store, "other", MIB)
    assert listed(store) == ["other.raw"]


# Killed in the middle

KILLED: dict[str, Callable[[DirectoryStore], object]] = {
    "clone": lambda store: cloning.clone(store, "disk", "other"),
    "snapshot": lambda store: cloning.snapshot(store, "disk", "now"),
    "snapshot-qcow2": lambda store: cloning.snapshot(store, "layered", "now"),
    "revert": lambda store: cloning.revert(store, "layered@before"),
    "resize": lambda store: resizing.resize(store, "disk", "48M"),
    "resize-qcow2": lambda store: resizing.resize(store, "layered", "48M"),
    "convert": lambda store: converting.convert(store, "layered"),
    "import": lambda store: importing.take_in(store, store.directory.parent / "foreign.qcow2", "other"),
    "remove": lambda store: store.remove("layered", with_snapshots=True),
}

#: what changes something in a store, as Python's audit events call it
_STEPS = ("os.rename", "os.link", "os.remove", "os.chmod", "os.truncate", "subprocess.Popen")


def killed_at(number: int, action: Callable[[], object]) -> bool:
    """Do it in a process that dies of SIGKILL before its step of that number; False: it came to its end."""
    child = os.fork()
    if child == 0:
        left = [number]

        def count(event: str, _: object) -> None:
            if event in _STEPS:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            action()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


#: half a minute and more each
LONG = ("resize", "resize-qcow2", "snapshot-qcow2")


@pytest.mark.parametrize(
    "action",
    [pytest.param(each, marks=[pytest.mark.soak] if each in LONG else []) for each in KILLED],
)
def test_killed_anywhere_an_image_is_whole_or_as_it_was(
    store: DirectoryStore, tmp_path: Path, action: str
) -> None:
    before = with_ext4(store, tmp_path, table=True).path.read_bytes()
    cloning.clone(store, "disk", "layered")
    cloning.snapshot(store, "layered", "before")
    foreign = tmp_path / "foreign.qcow2"
    convert: list[str | Path] = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2"]
    subprocess.run([*convert, store.find("disk").path, foreign], check=True)
    kept = tmp_path / "kept"
    _copy(store.directory, kept)
    for number in range(200):
        shutil.rmtree(store.directory)
        _copy(kept, store.directory)
        killed = killed_at(number, lambda: KILLED[action](store))
        _check_whole(store, before, tmp_path, removed=action == "remove")
        if not killed:
            assert number > 2
            return
    raise AssertionError("it never came to its end")


def _copy(source: Path, target: Path) -> None:
    """Holes stay holes, and two names of one file its names."""
    subprocess.run(["cp", "-a", "--sparse=always", source, target], check=True)


def _check_whole(store: DirectoryStore, before: bytes, tmp_path: Path, *, removed: bool) -> None:
    """Every image has the disk that it had, or the one with its file system grown."""
    with store.changing():  # what the next command does first
        pass
    assert not [name for name in listed(store) if name.startswith(".work")]
    found = {entry.reference for entry in store.entries()}
    assert found >= ({"disk"} if removed else {"disk", "layered", "layered@before"})
    for entry in store.entries():
        raw = entry.path
        if entry.format is QCOW2:
            raw = tmp_path / "flat"
            subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", entry.path, raw], check=True)
        if (disk := raw.read_bytes()) != before:
            assert len(disk) == 48 * MIB
            assert file_in(Entry("flat", "", raw, RAW), tmp_path) == (tmp_path / "files/data").read_bytes()


def test_leftovers_of_a_killed_command_go_with_the_next_one_but_not_what_is_being_made(
    store: DirectoryStore,
) -> None:
    made(store, "web")
    with store.working() as busy:
        (busy / "image").write_bytes(b"x")
        left = store.directory / ".work-0123456789ab"
        left.mkdir()
        (left / "image").write_bytes(b"x")
        converting.create(store, "other", MIB)
        assert busy.exists()
        assert not left.exists()
