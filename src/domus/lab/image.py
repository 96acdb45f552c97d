"""Host images: a Debian root with Xen, as a read-only file, beside the kernels that boot it.

A finished image is a folder with
    xen            the hypervisor, unpacked: QEMU's -kernel wants a plain ELF file
    vmlinuz        dom0's kernel
    initrd         its initial RAM disk
    root.squashfs  its root
    guest/         what the small guest is made from: kernel, modules, busybox
    image.json     the recipe
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import msgspec

from domus.lab import initrd, paths, wheels
from domus.lab.built import build_once, remove
from domus.lab.progress import Report, silent
from domus.lab.recipe import RELEASES, Recipe, recipe_of
from domus.lab.record import Suite, usual_suite
from domus.model.errors import NotFound, ProgramFailed
from domus.programs import paste, run, start
from domus.storage import mmdebstrap

#: what runs inside hosts and guests, not here
SCRIPTS = Path(__file__).parent / "scripts"

#: MiB of disk a build needs at its widest point: the root as a tar file, its squashed copy, downloads.
BUILD_SPACE_MIB = 2500

#: mmdebstrap's lines, what they mean, and which part of the work is done when they appear (measured).
_STEPS = (
    ("running apt-get update", "reading Debian's package lists", 0.03),
    ("downloading packages", "downloading packages", 0.06),
    ("extracting archives", "unpacking the minimal system", 0.20),
    ("installing essential", "installing the minimal system", 0.26),
    ("installing remaining", "installing Xen, QEMU, a kernel and Python", 0.38),
    ("cleaning package lists", "cleaning up", 0.84),
    ("creating tarball", "packing the root", 0.87),
)


class Image(msgspec.Struct, frozen=True):
    """A finished host image."""

    folder: Path
    recipe: Recipe

    @property
    def name(self) -> str:
        """The name by which `xm lab image` knows it."""
        return self.folder.name

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


def wanted_recipe(suite: Suite) -> Recipe:
    """The recipe of the image that this version of Domus runs on."""
    return recipe_of(suite, SCRIPTS / "dom0-init")


def wanted(report: Report = silent, suite: Suite | None = None) -> Image:
    """The image that this version of Domus runs on, built first if it is not there.

    Args:
        suite: None: the usual one.
    """
    recipe = wanted_recipe(suite or usual_suite())
    folder = build_once(
        paths.images_dir() / recipe.name,
        lambda part: _build(part, recipe, report),
        space_mib=BUILD_SPACE_MIB,
        on_wait=lambda: report("another process is building the host image: waiting for it", None),
    )
    return Image(folder, recipe)


def images() -> list[Image]:
    """All finished images, sorted by name."""
    found = []
    for note in sorted(paths.images_dir().glob("*/image.json")):
        found.append(Image(note.parent, msgspec.json.decode(note.read_bytes(), type=Recipe)))
    return found


def delete(name: str) -> None:
    """Remove an image.

    Raises:
        NotFound: there is no image of that name.
    """
    if name not in [image.name for image in images()]:
        raise NotFound(f"no image {name!r}", hint="xm lab image list")
    remove(paths.images_dir() / name)


def _build(folder: Path, recipe: Recipe, report: Report) -> None:
    work = folder / "work"
    work.mkdir()
    _bootstrap(work, recipe, report)
    report("squashing the root", 0.90)
    _squash(work / "root.tar", folder / "root.squashfs")
    report("making the initial RAM disks", 0.98)
    _unpack(work / "boot.tar", work)
    _unpack(work / "modules.tar", work)
    _kernels(work, folder, recipe)
    (folder / "image.json").write_bytes(msgspec.json.format(msgspec.json.encode(recipe)))
    shutil.rmtree(work)
    report("host image built", 1.0)


def _bootstrap(work: Path, recipe: Recipe, report: Report) -> None:
    """Run mmdebstrap: as root, or in a user namespace where we are not root."""
    release = RELEASES[recipe.suite]
    hooks: list[str] = []
    if release.lock is not None:
        report("downloading Python packages", 0.01)
        wheels.pack(release.lock, release.python, work / "wheels.tar")
        hooks = [
            f"tar-in {work / 'wheels.tar'} {release.site}",
            f'chroot "$1" python3 -m compileall -q {release.site}',
        ]
    argv = [
        "mmdebstrap",
        "--variant=minbase",
        "--aptopt=Apt::Install-Recommends false",
        "--aptopt=Acquire::Retries 3",
        f"--include={','.join(recipe.packages)}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.excluded),
        *(f"--customize-hook={hook}" for hook in hooks),
        f"--customize-hook=tar-out /boot {work / 'boot.tar'}",
        f"--customize-hook=tar-out /usr/lib/modules {work / 'modules.tar'}",
        f"--customize-hook=copy-out /usr/bin/busybox {work}",
        '--customize-hook=rm -rf "$1"/boot/* "$1"/usr/lib/modules/*cloud* "$1"/var/cache/debconf/*-old',
        recipe.suite,
        str(work / "root.tar"),
        *([recipe.mirror] if recipe.mirror else []),
    ]
    # INITRD=No keeps Debian's kernel packages from making an initial RAM disk: ours is smaller.
    mmdebstrap.follow(argv, _STEPS, report, env={"INITRD": "No", "TMPDIR": str(work)})


def _squash(tar: Path, target: Path) -> None:
    argv = ["mksquashfs", "-", str(target), "-tar", "-comp", "zstd", "-Xcompression-level", "6", "-quiet"]
    with tar.open("rb") as source:
        process = start(argv, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _, errors = process.communicate()
    if process.returncode:
        raise ProgramFailed(f"mksquashfs failed: {errors.decode(errors='replace').strip()}", hint=paste(argv))


def _unpack(tar: Path, folder: Path) -> None:
    run(["tar", "--extract", "--no-same-owner", "--file", tar, "--directory", folder])


def _kernels(work: Path, folder: Path, recipe: Recipe) -> None:
    boot = next(path for path in (work / "boot", work) if list(path.glob("xen-*.gz")))
    hypervisor = min(boot.glob("xen-*.gz"))
    (folder / "xen").write_bytes(gzip.decompress(hypervisor.read_bytes()))
    modules = next(
        path for path in (work / "usr/lib/modules", work / "modules", work) if list(path.glob("6*"))
    )
    dom0 = next(path for path in modules.glob("*-amd64") if "cloud" not in path.name)
    shutil.copyfile(boot / f"vmlinuz-{dom0.name}", folder / "vmlinuz")
    initrd.build(
        folder / "initrd",
        busybox=work / "busybox",
        init=SCRIPTS / "dom0-init",
        modules=initrd.with_dependencies(dom0, recipe.dom0_modules),
    )
    cloud = next(modules.glob("*-cloud-amd64"))
    guest = folder / "guest"
    (guest / "modules").mkdir(parents=True)
    shutil.copyfile(boot / f"vmlinuz-{cloud.name}", guest / "vmlinuz")
    shutil.copyfile(work / "busybox", guest / "busybox")
    for number, module in enumerate(initrd.with_dependencies(cloud, recipe.guest_modules)):
        shutil.copyfile(module, guest / "modules" / f"{number:02}-{module.name}")
