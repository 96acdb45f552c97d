"""Blobs are whole or absent, named by what is in them, and bounded together."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.model.errors import BadInput, Conflict, NoCapacity, NotFound
from domus.storage.blobs import BlobStore
from domus.storage.kernels import NotAKernel

ELF = b"\x7fELF" + bytes(1000)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(store: BlobStore, data: bytes) -> Path:
    return store.put(digest(data), [data[:10], data[10:]])


def test_a_blob_is_found_under_its_digest(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    assert put(store, b"some ramdisk").read_bytes() == b"some ramdisk"
    assert digest(b"some ramdisk") in store
    assert digest(b"another") not in store


def test_bytes_under_a_wrong_name_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with pytest.raises(Conflict, match="send them again"):
        try:
            store.put(digest(b"what was meant"), [b"what came"])
        except Conflict as error:
            raise Conflict(error.for_user()) from error
    assert list(tmp_path.iterdir()) == []


def test_a_transfer_that_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with pytest.raises(ConnectionError), store.incoming(digest(b"all of it")) as incoming:
        incoming.write(b"all")
        raise ConnectionError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_xend_was_receiving_is_removed_at_the_next_start(tmp_path: Path) -> None:
    temporary, file = BlobStore(tmp_path).temporary()
    file.close()
    assert temporary.exists()
    BlobStore(tmp_path)
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=70))
def test_only_64_hexadecimal_digits_ever_become_a_file_name(name: str) -> None:
    store = BlobStore(Path("/tmp"))
    with pytest.raises(BadInput):
        store.find(name)


def test_the_least_recently_used_blob_goes_when_room_is_needed(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, limit_bytes=250)
    first, second, third = (bytes([number]) * 100 for number in range(3))
    for age, data in ((1000, first), (500, second)):
        path = put(store, data)
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    store.get(digest(first))  # a use: now the second is the older one
    put(store, third)
    assert [digest(data) in store for data in (first, second, third)] == [True, False, True]
    assert store.size_bytes() <= 250


def test_a_pinned_blob_stays_and_the_newcomer_is_refused(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, limit_bytes=150)
    kept = b"k" * 100
    put(store, kept)
    store.pinned = lambda: {digest(kept)}
    with pytest.raises(NoCapacity):
        put(store, b"n" * 100)
    assert digest(kept) in store
    assert len(list(tmp_path.iterdir())) == 1


def test_a_blob_larger_than_the_store_is_refused_before_it_is_whole(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, limit_bytes=100)
    with store.incoming(digest(b"")) as incoming, pytest.raises(NoCapacity):
        incoming.write(b"x" * 101)


def test_a_kernel_is_unpacked_once_and_kept_beside_its_blob(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    image = gzip.compress(ELF)
    put(store, image)
    unpacked = store.kernel(digest(image))
    assert unpacked.read_bytes() == ELF
    made = unpacked.stat().st_ino
    assert store.kernel(digest(image)).stat().st_ino == made


def test_a_kernel_of_the_host_is_unpacked_anew_when_its_file_changes(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    image = tmp_path / "vmlinuz"
    image.write_bytes(gzip.compress(ELF))
    first = store.kernel_at(image)
    assert store.kernel_at(image) == first
    image.write_bytes(gzip.compress(ELF + b"newer"))
    assert store.kernel_at(image).read_bytes() == ELF + b"newer"


def test_an_elf_kernel_of_the_host_is_used_where_it_is(tmp_path: Path) -> None:
    image = tmp_path / "vmlinux"
    image.write_bytes(ELF)
    assert BlobStore(tmp_path / "store").kernel_at(image) == image


def test_a_blob_that_is_no_kernel_leaves_no_unpacked_copy(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    put(store, b"a ramdisk, say")
    with pytest.raises(NotAKernel):
        store.kernel(digest(b"a ramdisk, say"))
    assert len(list(tmp_path.iterdir())) == 1


def test_a_blob_that_is_not_here_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        BlobStore(tmp_path).get(digest(b"nowhere"))
