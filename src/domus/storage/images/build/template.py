"""What is built. A template file (TOML) has the fields' names; what the command line says goes before."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import Final, Literal

import msgspec

from domus.model.errors import BadInput, HostProblem, NotFound
from domus.storage.images import names
from domus.storage.images.names import MIB, SECTOR_BYTES

FILE_SYSTEMS: Final = {
    "ext4": ("mke2fs", "e2fsprogs"),
    "xfs": ("mkfs.xfs", "xfsprogs"),
    "btrfs": ("mkfs.btrfs", "btrfs-progs"),
}

#: by distribution, the program that installs it, and the package of Debian's that has the program
INSTALLERS: Final = {
    "debian": ("mmdebstrap", "mmdebstrap"),
    "ubuntu": ("mmdebstrap", "mmdebstrap"),
    "fedora": ("dnf", "dnf"),
    "alpine": ("apk", "apk-tools"),
    "arch": ("pacstrap", "arch-install-scripts"),
    "opensuse": ("zypper", "zypper"),
}

#: a suite tells its distribution, for those that have been Ubuntu's
_UBUNTU: Final = ("focal", "jammy", "mantic", "noble", "oracular", "plucky", "questing", "resolute")

#: the least that such a system has, measured: with a kernel some 420 MiB
_LEAST_BYTES: Final = 768 * MIB
_LEAST_XFS_BYTES: Final = 300 * MIB

_HOSTNAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_PACKAGE: Final = re.compile(r"[A-Za-z0-9@][A-Za-z0-9@+._:-]*(?:[=/][A-Za-z0-9+.:~_-]+)?")
_SUITE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,40}")
_USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_KEY: Final = re.compile(
    r"(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp\d+|sk-[a-z0-9@.-]+) [A-Za-z0-9+/=]{20,}(?: [^\n]*)?"
)
_MIRROR: Final = re.compile(r"(?:https?|file|ftp|copy)://?[^\s'\"]+")


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an image is built from; absent fields have the values that stand here."""

    distribution: Literal["", "debian", "ubuntu", "fedora", "alpine", "arch", "opensuse"] = ""
    suite: str = "trixie"
    mirror: str = ""  #: empty: where the distribution's tool goes by itself
    keyring: str = ""  #: the keys that packages are signed with; empty: those of this machine
    size: str = "4G"
    fs: Literal["ext4", "xfs", "btrfs"] = "ext4"
    swap: str = ""  #: size of a swap partition
    partition: bool = False  #: only the file system, without a partition table or a boot loader of its own
    hostname: str = ""  #: empty: the image's name
    packages: tuple[str, ...] = ()
    kernel: str = ""  #: its package; empty: the distribution's for virtual machines; "none": the host has one
    user: str = ""  #: a user who may use sudo
    ssh_keys: tuple[str, ...] = ()  #: files of public keys, or keys; for `user`, else root
    password_file: str = ""  #: the password in its first line; for `user`, else root
    release_files: str = ""  #: a folder whose files are laid over the root file system
    cloud_init: str = ""  #: cloud-init's user-data, a file


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A template with everything in it looked up: what is built depends on nothing else."""

    template: Template
    name: str
    distribution: str
    hostname: str
    size_bytes: int
    swap_bytes: int
    keys: tuple[str, ...]
    password: str
    user_data: str


def from_file(path: Path) -> Template:
    """A template file.

    Raises:
        BadInput: it is none; with its line where that is known.
        NotFound: there is no such file.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"{path}: {getattr(error, 'strerror', None) or 'no text'}") from error
    try:
        return msgspec.convert(tomllib.loads(text), Template)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        key = re.search(r"\$\.(\w+)|field `(\w+)`", str(error))
        at = next(
            (
                number
                for number, line in enumerate(text.splitlines(), 1)
                if key and re.match(rf"\s*{key[1] or key[2]}\b", line)
            ),
            None,
        )
        where = f"{path}:{at}" if at else str(path)
        raise BadInput(f"{error}", where=where, hint="xm image build --help") from None


def look_up(template: Template, name: str) -> Wanted:
    """Check all that can be wrong, and read what the template names.

    Raises:
        BadInput: a name, a size or a key that is none.
        NotFound: a file that is not there.
        HostProblem: a program that is not installed.
    """
    names.check(name)
    distribution = template.distribution or ("ubuntu" if template.suite in _UBUNTU else "debian")
    hostname = template.hostname or _as_hostname(name)
    _check_words(template, hostname)
    size = names.size_bytes(template.size)
    swap = names.size_bytes(template.swap) if template.swap else 0
    if template.partition and swap:
        raise BadInput("a partition image has no room for swap", hint="leave out --swap or --partition")
    if size - swap < (least := _LEAST_BYTES):
        raise BadInput(
            f"{template.size} is too small for a root file system" + (" and its swap" if swap else ""),
            hint=f"{(least + swap) // MIB}M at the least",
        )
    _check_programs(template, distribution)
    return Wanted(
        template=template,
        name=name,
        distribution=distribution,
        hostname=hostname,
        size_bytes=size // SECTOR_BYTES * SECTOR_BYTES,
        swap_bytes=swap,
        keys=_keys(template.ssh_keys),
        password=_password(template.password_file),
        user_data=read_user_data(template.cloud_init) if template.cloud_init else "",
    )


def _check_words(template: Template, hostname: str) -> None:
    if not _SUITE.fullmatch(template.suite):
        raise BadInput(f"invalid suite {template.suite[:40]!r}", hint="such as trixie, bookworm, noble")
    check_hostname(hostname)
    if template.user and (not _USER.fullmatch(template.user) or template.user == "root"):
        raise BadInput(f"invalid user {template.user[:40]!r}", hint="without --user the keys are for root")
    for package in (*template.packages, *((template.kernel,) if template.kernel else ())):
        if not _PACKAGE.fullmatch(package):
            raise BadInput(f"invalid package name {package[:60]!r}")
    if template.mirror and not _MIRROR.fullmatch(template.mirror):
        raise BadInput(
            f"invalid mirror {template.mirror[:80]!r}", hint="such as http://deb.debian.org/debian"
        )
    if template.release_files and not Path(template.release_files).is_dir():
        raise NotFound(f"{template.release_files}: no such folder", hint="--release-files takes a folder")
    if template.keyring and not Path(template.keyring).is_file():
        raise NotFound(f"{template.keyring}: no such file")
    if template.kernel == "none" and not template.partition:
        raise BadInput("a disk without a kernel cannot boot", hint="--partition, and the domain has kernel=")


def check_hostname(hostname: str) -> None:
    """Raise BadInput unless a machine can be called so."""
    if not _HOSTNAME.fullmatch(hostname) or len(hostname) > 253:
        raise BadInput(f"invalid host name {hostname[:80]!r}", hint="small letters, digits and '-'")


def _check_programs(template: Template, distribution: str) -> None:
    needed = [INSTALLERS[distribution], FILE_SYSTEMS[template.fs], ("unshare", "util-linux")]
    if not template.partition:
        needed.append(("sfdisk", "fdisk"))
    if template.swap:
        needed.append(("mkswap", "util-linux"))
    missing = [(program, package) for program, package in needed if shutil.which(program) is None]
    if missing:
        programs = ", ".join(program for program, _ in missing)
        raise HostProblem(
            f"{programs} {'is' if len(missing) == 1 else 'are'} not installed here",
            hint="sudo apt install " + " ".join(package for _, package in missing),
        )


def _keys(given: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for each in given:
        if _KEY.fullmatch(each.strip()):
            found.append(each.strip())
            continue
        text = read_text(each, "a public key, or a file with some")
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        for number, line in enumerate(lines, 1):
            if not _KEY.fullmatch(line):
                is_private = "PRIVATE KEY" in line
                raise BadInput(
                    f"{'a private key' if is_private else 'no SSH public key'}",
                    where=f"{each}:{number}",
                    hint=f"{each}.pub has the public one" if is_private else "ssh-keygen makes them",
                )
        if not lines:
            raise BadInput(f"{each}: no key in it")
        found += lines
    return tuple(dict.fromkeys(found))


def _password(path: str) -> str:
    if not path:
        return ""
    password = read_text(path, "a file with a password").split("\n", 1)[0]
    if not password or ":" in password:
        raise BadInput(f"{path}: its first line is no password")
    return password


def read_user_data(path: str) -> str:
    """cloud-init's user-data.

    Raises:
        NotFound: no such file.
        BadInput: it is none.
    """
    text = read_text(path, "cloud-init's user-data")
    if not text.startswith(
        ("#cloud-config", "#!", "#include", "## template:", "Content-Type:", "MIME-Version")
    ):
        raise BadInput(f"{path}: not user-data: its first line tells its kind", hint="such as #cloud-config")
    return text


def read_text(path: str, what: str) -> str:
    """A file that the user names. Raises NotFound; BadInput: it is no text."""
    try:
        return Path(path).expanduser().read_text()
    except UnicodeDecodeError:
        raise BadInput(f"{path}: no text; {what} is needed") from None
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}; {what} is needed") from error


def _as_hostname(name: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:63] or "guest"
