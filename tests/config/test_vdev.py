"""Names and numbers of virtual disks, as xen-vbd-interface(7) has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.config import vdev
from domus.model.errors import BadInput

NUMBERS = {
    "xvda": 51712, "xvda1": 51713, "xvdb": 51728, "xvdp15": 51967, "xvdq": 268439552, "xvda16": 268435472,
    "xvdaa": 268442112, "xvdtq37": 268572709, "d1p2": 51730, "hda": 768, "hda1": 769, "hdb": 832, "hdc": 5632,
    "hdd": 5696, "sda": 2048, "sda1": 2049, "sdb3": 2067, "sdp": 2288, "51712": 51712, "0xca00": 51712,
    "0144000": 51200,
}  # fmt: skip


@pytest.mark.parametrize(("name", "number"), NUMBERS.items())
def test_a_name_has_the_number_that_xen_gives_it(name: str, number: int) -> None:
    assert vdev.number(name) == number


@pytest.mark.parametrize(
    "name",
    [
        "",
        "xvd",
        "xvda01",
        "xvda256",
        "hda64",
        "hde",
        "sda16",
        "sdq",
        "vda",
        "fd0",
        "d0",
        "xvda ",
        "-1",
        "08",
        "1e3",
    ],
)
def test_what_libxl_would_not_take_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        vdev.number(name)


@pytest.mark.parametrize(("name", "number"), [("sdq", 16640), ("sdaa", 16800), ("hde", 8448), ("hdt", 23360)])
def test_the_hint_has_the_number_that_xend_knew(name: str, number: int) -> None:
    with pytest.raises(BadInput) as caught:
        vdev.number(name)
    assert str(number) in caught.value.hint


@given(st.integers(0, (1 << 20) - 1), st.integers(0, 255))
def test_a_disk_and_its_number_name_each_other(disk: int, part: int) -> None:
    name = f"xvd{vdev.letters(disk)}{part or ''}"
    assert vdev.name(vdev.number(name)) == name


@given(st.integers(0, (1 << 31) - 1))
def test_every_number_has_a_name_that_leads_back_to_it(number: int) -> None:
    name = vdev.name(number)
    if not name.startswith("xvd") or number >> 8 == 202 or number >> 28 == 1:
        assert vdev.number(name) in (number, vdev.number(vdev.name(vdev.number(name))))


@given(st.text(max_size=20))
def test_any_text_is_a_number_or_a_clear_refusal(text: str) -> None:
    try:
        assert 0 <= vdev.number(text) < 1 << 31
    except BadInput:
        pass
