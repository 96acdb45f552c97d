"""Kernels come out of whatever they are packed in, and damaged or endless ones are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
from collections.abc import Callable
from pathlib import Path

import lz4.block
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from domus.storage import kernels
from domus.storage.kernels import NotAKernel

# Compressible and not, and more than one 8 MiB block of lz4.
VMLINUX = b"\x7fELF\x02\x01\x01" + random.Random(1).randbytes(300_000) + bytes(9 << 20)


def lz4_legacy(data: bytes) -> bytes:
    out = io.BytesIO()
    out.write(b"\x02\x21\x4c\x18")
    for start in range(0, len(data), 8 << 20):
        block = lz4.block.compress(data[start : start + (8 << 20)], store_size=False)
        out.write(struct.pack("<I", len(block)) + block)
    return out.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, preset=1),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=1),
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
    "lz4": lz4_legacy,
    "none": lambda data: data,
}


def as_payload(packer: str, data: bytes) -> bytes:
    """Packed as the kernel's build does it: with the unpacked size at the end, which gzip has anyway."""
    return PACKERS[packer](data) + (b"" if packer in ("gzip", "none") else struct.pack("<I", len(data)))


def bzimage(payload: bytes, *, version: int = 0x020F, setup_sectors: int = 27) -> bytes:
    """A bzImage as boot.rst describes it; the payload stands somewhere behind the decompressor's code."""
    code = b"\x90" * 1000
    head = bytearray((setup_sectors or 4) * 512 + 512)
    head[0x1F1] = setup_sectors
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x206, version)
    struct.pack_into("<II", head, 0x248, len(code), len(payload))
    return bytes(head) + code + payload + b"trailer"


@pytest.mark.parametrize("packer", PACKERS)
def test_the_kernel_inside_a_bzimage_comes_out_as_it_went_in(packer: str) -> None:
    assert kernels.unpack(bzimage(as_payload(packer, VMLINUX))) == VMLINUX


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_elf_file_without_a_bzimage_around_it_is_unpacked_too(packer: str) -> None:
    assert kernels.unpack(PACKERS[packer](VMLINUX)) == VMLINUX


def test_a_setup_of_zero_sectors_means_four() -> None:
    assert kernels.unpack(bzimage(gzip.compress(VMLINUX), setup_sectors=0)) == VMLINUX


@pytest.mark.parametrize("packer", [name for name in PACKERS if name != "none"])
def test_a_kernel_that_unpacks_beyond_the_limit_is_refused(packer: str) -> None:
    with pytest.raises(NotAKernel, match="more than 1 MiB"):
        kernels.unpack(bzimage(as_payload(packer, VMLINUX)), limit=1 << 20)


@pytest.mark.parametrize("packer", [name for name in PACKERS if name != "none"])
def test_a_kernel_that_is_cut_short_is_refused(packer: str) -> None:
    packed = as_payload(packer, VMLINUX)
    with pytest.raises(NotAKernel):
        kernels.unpack(bzimage(packed[: len(packed) // 2]))


def test_a_bzimage_whose_file_ends_too_early_is_refused() -> None:
    with pytest.raises(NotAKernel, match="cut short"):
        kernels.unpack(bzimage(gzip.compress(VMLINUX))[:-2000])


@pytest.mark.parametrize("packer", PACKERS)
@given(place=st.integers(0, 1 << 30), junk=st.binary(min_size=1, max_size=64))
def test_damage_anywhere_gives_an_elf_file_or_a_plain_error(packer: str, place: int, junk: bytes) -> None:
    image = bytearray(bzimage(as_payload(packer, b"\x7fELF" + bytes(5000))))
    place %= len(image)
    image[place : place + len(junk)] = junk
    try:
        assert kernels.unpack(bytes(image), limit=1 << 20).startswith(b"\x7fELF")
    except NotAKernel as error:
        assert error.what.startswith("kernel: ")


@given(st.binary(max_size=2000))
def test_any_bytes_give_an_elf_file_or_a_plain_error(data: bytes) -> None:
    try:
        assert kernels.unpack(data).startswith(b"\x7fELF")
    except NotAKernel:
        pass


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"#!/bin/sh\n", "neither an ELF file nor a bzImage"),
        (b"", "neither an ELF file nor a bzImage"),
        (bzimage(b"\x89LZO\x00\r\n\x1a\n"), "Domus does not know"),
        (bzimage(gzip.compress(b"hello")), "no ELF file"),
        (bzimage(gzip.compress(b"")), "not whole"),
        (bzimage(gzip.compress(VMLINUX), version=0x0207), "2.07 is older"),
    ],
)
def test_what_is_no_kernel_is_named_so(image: bytes, message: str) -> None:
    with pytest.raises(NotAKernel, match=message):
        kernels.unpack(image)


def test_a_file_that_cannot_be_read_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(NotAKernel, match=r"vmlinuz: cannot be read: No such file"):
        kernels.unpack(tmp_path / "vmlinuz")
