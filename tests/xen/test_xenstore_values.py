"""Paths, permissions and texts of XenStore."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.model.errors import BadInput
from domus.xen.xenstore import Access, Permission
from domus.xen.xenstore.nodes import printable
from domus.xen.xenstore.paths import check_path, check_watchable
from domus.xen.xenstore.permissions import parse_permission, parse_permissions, permissions_payload
from domus.xen.xenstore.wire import ProtocolError


@pytest.mark.parametrize("path", ["/", "/a", "/local/domain/0/backend/vbd/1/51712", "/vm/a-b_c@D"])
def test_paths_that_xenstored_takes_pass(path: str) -> None:
    assert check_path(path) == check_watchable(path) == path


@pytest.mark.parametrize(
    "path", ["", "a", "//", "/a/", "/a//b", "/a b", "/a\n", "/ä", "/a\0", "@releaseDomain", "/" + "a" * 3072]
)
def test_paths_that_xenstored_refuses_are_refused_here(path: str) -> None:
    with pytest.raises(BadInput):
        check_path(path)


@pytest.mark.parametrize("path", ["@introduceDomain", "@releaseDomain", "@releaseDomain/5"])
def test_events_can_be_watched(path: str) -> None:
    assert check_watchable(path) == path


@pytest.mark.parametrize("path", ["@", "@a//b", "@a b", "@a/"])
def test_malformed_events_are_refused(path: str) -> None:
    with pytest.raises(BadInput):
        check_watchable(path)


@given(st.integers(0, 65535), st.sampled_from(Access))
def test_a_permission_is_read_as_it_is_written(domid: int, access: Access) -> None:
    assert parse_permission(str(Permission(domid, access))) == Permission(domid, access)


@given(st.binary(max_size=40))
def test_hostile_permissions_end_in_a_protocol_error(payload: bytes) -> None:
    try:
        assert all(0 <= entry.domid <= 99999 for entry in parse_permissions(payload))
    except ProtocolError:
        pass


def test_a_node_needs_an_owner() -> None:
    with pytest.raises(BadInput):
        permissions_payload("/a", [])


@given(st.binary())
def test_text_of_a_guest_never_holds_a_control_character(raw: bytes) -> None:
    assert all(character.isprintable() or character.isspace() for character in printable(raw))
    assert "\x1b" not in printable(raw)
    assert "\n" not in printable(raw)


def test_a_terminal_escape_and_a_direction_override_are_replaced() -> None:
    assert printable("a\x1b[2J\u202eb\u00a0c é".encode()) == "a\ufffd[2J\ufffdb\u00a0c é"
