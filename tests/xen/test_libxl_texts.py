"""libxl's log lines and documents, as text: no library needed."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.model.errors import HostProblem, Internal
from domus.xen.libxl import Libxl
from domus.xen.libxl.abi import running_version
from domus.xen.libxl.context import failure
from domus.xen.libxl.documents import check_lethal, mended, whole_hw_cap
from domus.xen.libxl.log import Line, parse, summary

# Of a create with a kernel that is not there (Xen 4.20).
LOG = b"""\
xc: error: panic: xg_dom_core.c:205: failed to open file '/nope': No such file or directory: Internal error
libxl: error: libxl_dom.c:641:libxl__build_pv: xc_dom_kernel_file failed: No such file or directory
libxl: error: libxl_create.c:1695:domcreate_rebuild_done: Domain 1:cannot (re-)build domain: -3
libxl: info: libxl_x.c:1:f: fine
"""


def test_log_lines_keep_their_level_and_context() -> None:
    assert [(line.level, line.context) for line in parse(LOG)] == [
        (logging.ERROR, "xc"),
        (logging.ERROR, "libxl"),
        (logging.ERROR, "libxl"),
        (logging.INFO, "libxl"),
    ]


def test_the_summary_has_the_cause_first_and_no_source_files() -> None:
    assert summary(parse(LOG)) == (
        "failed to open file '/nope': No such file or directory: Internal error; "
        "xc_dom_kernel_file failed: No such file or directory; Domain 1:cannot (re-)build domain: -3"
    )


def test_a_message_of_several_lines_stays_one() -> None:
    (line,) = parse(b"libxl: error: first\n  second\n\n")
    assert line.text == "first second"


@given(st.binary())
def test_any_log_is_read_and_shown_without_control_characters(raw: bytes) -> None:
    for line in parse(b"libxl: error: x " + raw):
        assert line.text.isprintable()


def test_an_error_names_call_code_and_reason() -> None:
    lines = [Line(logging.ERROR, "libxl", "libxl_domain.c:583:libxl_domain_pause: it is odd")]
    error = failure("libxl_domain_pause", "ERROR_FAIL", lines, 5)
    assert error.for_user() == "domain 5: libxl_domain_pause failed with ERROR_FAIL: it is odd"


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"c_info": {"type": "pv"}},
        {"c_info": {}, "b_info": {"type.pv": {}}},
        {"c_info": {"type": "pv"}, "b_info": {}},
        {"c_info": {"type": "pv"}, "b_info": {"type.hvm": {}}},
        {"c_info": {"type": "pv"}, "b_info": {"type.pv": {}, "type.hvm": {}}},
        {"c_info": {"type": "vm"}, "b_info": {"type.vm": {}}},
        {"c_info": [], "b_info": {"type.pv": {}}},
    ],
)
def test_documents_for_which_libxl_would_abort_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(Internal):
        check_lethal(document)


def test_a_sound_document_passes() -> None:
    check_lethal({"c_info": {"type": "pvh"}, "b_info": {"type.pvh": {}}})


def test_unsigned_members_that_came_out_negative_are_put_right() -> None:
    document = {"b_info": {"rtc_timeoffset": -3600, "x": -1}, "pcidevs": [{"vfunc_mask": -1}]}
    assert mended(document) == {
        "b_info": {"rtc_timeoffset": 4294963696, "x": -1},
        "pcidevs": [{"vfunc_mask": 4294967295}],
    }


@pytest.mark.skipif(running_version() is not None, reason="this machine runs Xen")
def test_a_host_without_xen_is_one_clear_error() -> None:
    with pytest.raises(HostProblem, match="does not run Xen"):
        Libxl.open()


def test_all_eight_words_of_the_cpu_features_are_read_where_json_has_four() -> None:
    words = [0x1FCBF3FD, 0xF6D8320B, 0xE4500800, 0x77, 5, 0x018843A9, 0x8001020C, 0]
    struct = b"\x01" * 40 + b"".join(word.to_bytes(4, sys.byteorder) for word in words) + b"\x02" * 9
    assert whole_hw_cap(words[:4], struct) == words
    assert whole_hw_cap([1, 2, 3, 4], struct) == [1, 2, 3, 4]
    assert whole_hw_cap([0, 0, 0, 0], struct) == [0, 0, 0, 0]
