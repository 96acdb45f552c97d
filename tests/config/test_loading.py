"""Finding and reading files: names, encodings, what is no file, includes, speed, many files."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from domus.config import InvalidConfig, find, load, load_text
from domus.config.checking import check, files_of
from domus.config.parameters import TABLE
from domus.config.reference import help_config, json_schema, manual
from domus.model.errors import ConfigError

GUEST = "name = 'web1'\nmemory = 64\nkernel = '/boot/vmlinuz'\n"


def test_the_name_of_the_file_is_the_name_of_an_xm_domain(tmp_path: Path) -> None:
    path = tmp_path / "web7"
    path.write_text("kernel = '/k'\n")
    assert load(path).config.name == "web7"


def test_a_name_is_looked_up_in_the_search_path(tmp_path: Path) -> None:
    (tmp_path / "web1").write_text(GUEST)
    assert find("web1", [str(tmp_path)]) == tmp_path / "web1"
    (tmp_path / "db.cfg").write_text(GUEST)
    with pytest.raises(ConfigError) as caught:
        find("db", [str(tmp_path)])
    assert "db.cfg" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"name = 'a'\0", "NUL at byte 10"),
        (b"x" * ((1 << 20) + 1), "larger than 1 MiB"),
        (b"\xff\xfe\xff", "not text"),
        (b"\x7fELF\0\0", "not text"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert said in caught.value.for_user()
    assert str(path) in caught.value.for_user()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig", "utf-16"])
def test_comments_may_be_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(("# für Gäste\r\n" + GUEST.replace("\n", "\r\n")).encode(encoding))
    assert load(path).config.name == "web1"


def test_a_directory_a_fifo_and_a_device_do_not_keep_us_waiting(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, said in (
        (tmp_path, "is a directory"),
        (fifo, "not a regular file"),
        (Path("/dev/zero"), "regular"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert said in caught.value.for_user()


def test_a_file_of_100_mb_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError):
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_relative_paths_are_those_of_the_present_directory_else_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs, here = tmp_path / "configs", tmp_path / "here"
    configs.mkdir()
    here.mkdir()
    (configs / "g.cfg").write_text(
        "name='g'\nkernel='vmlinuz'\nramdisk='initrd'\ndisk=['file:a.img,xvda,w']\n"
    )
    (here / "vmlinuz").touch()
    (configs / "a.img").touch()
    monkeypatch.chdir(here)
    config = load(configs / "g.cfg").config
    assert config.kernel == str(here / "vmlinuz")
    assert config.ramdisk == str(configs / "initrd")
    assert config.disks[0].target == str(configs / "a.img")


def test_what_was_handed_over_keeps_its_name() -> None:
    config = load_text("name='g'\nkernel='sha256:ab'\ndisk=['lun:X1,xvda,w']\n").config
    assert (config.kernel, config.disks[0].target) == ("sha256:ab", "lun:X1")


def test_files_may_include_files_beside_them(tmp_path: Path) -> None:
    (tmp_path / "common.cfg").write_text("kernel = '/k'\nmemory = 96\n")
    (tmp_path / "mydefs.py").write_text("def disk_of(n): return 'phy:vg0/%s,xvda,w' % n\nsuffix = '-x'\n")
    path = tmp_path / "g.cfg"
    path.write_text(
        "execfile('common.cfg')\nfrom mydefs import *\nname = 'g' + suffix\ndisk = [disk_of('g')]\n"
    )
    config = load(path).config
    assert (config.name, config.memory_mib, config.disks[0].target) == ("g-x", 96, "/dev/vg0/g")


def test_an_error_in_an_included_file_has_its_own_place(tmp_path: Path) -> None:
    (tmp_path / "common.cfg").write_text("kernel = '/k'\nopen('/etc/shadow')\n")
    (tmp_path / "loop.cfg").write_text("execfile('loop.cfg')\n")
    path = tmp_path / "g.cfg"
    path.write_text("import os\nexecfile('common.cfg')\n")
    with pytest.raises(InvalidConfig, match=r"common\.cfg:2: configuration files may not use open"):
        load(path)
    with pytest.raises(InvalidConfig, match="too deeply"):
        load(tmp_path / "loop.cfg")


def test_many_files_are_checked_each_for_itself(tmp_path: Path) -> None:
    (tmp_path / "good").write_text(GUEST)
    (tmp_path / "bad").write_text(GUEST + "memmory = 5\nvcpus = 'x'\n")
    (tmp_path / "bad~").write_text("(")
    checked = [check(path) for path in files_of([tmp_path])]
    assert [(Path(one.path).name, one.is_fine, len(one.errors)) for one in checked] == [
        ("bad", False, 2),
        ("good", True, 0),
    ]


def test_the_help_lists_every_parameter_in_xms_layout() -> None:
    lines = help_config().splitlines()
    assert lines[:3] == ["", "Values:", ""]
    assert all(any(line.startswith(f"{name}=") for line in lines) for name in TABLE)
    assert all(len(line) <= 76 for line in lines if line.startswith(" "))


def test_the_page_of_parameters_is_not_stale() -> None:
    page = Path(__file__).parents[2] / "docs/configuration-parameters.md"
    assert page.read_text() == manual(), "write it anew: python -m domus.config.reference > " + str(page)


def test_the_schema_describes_every_parameter() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == set(TABLE)


@pytest.mark.parametrize("name", [name for name, parameter in TABLE.items() if parameter.field])
def test_every_parameter_has_the_place_in_the_model_that_it_names(name: str) -> None:
    import msgspec

    from domus.model.config import DomainConfig

    struct: type = DomainConfig
    *groups, last = TABLE[name].field.split(".")
    for group in groups:
        kinds = {field.name: field.type for field in msgspec.structs.fields(struct)}
        struct = next(
            kind for kind in getattr(kinds[group], "__args__", (kinds[group],)) if kind is not type(None)
        )
    assert last in {field.name for field in msgspec.structs.fields(struct)}


@pytest.mark.parametrize("name", [name for name, parameter in TABLE.items() if parameter.libxl])
def test_every_parameter_has_a_place_in_libxl_that_the_schema_knows(name: str) -> None:
    from domus.config.compile.schema import DOMAIN_CONFIG

    place: object = DOMAIN_CONFIG
    for part in TABLE[name].libxl.split("/"):
        assert isinstance(place, dict)
        assert part in place, TABLE[name].libxl
        place = place[part]


@pytest.mark.parametrize("text", ['extra = "\\ud800"', 'disk = ["file:/\\ud8ff,xvda,w"]'])
def test_half_a_surrogate_pair_is_an_error_with_its_place(text: str) -> None:
    with pytest.raises(InvalidConfig, match="half of a surrogate pair") as caught:
        load_text(f"kernel = '/k'\nname = 'x'\n{text}\n", source_name="g.cfg")
    assert caught.value.problems[0].where.startswith("g.cfg:3")
