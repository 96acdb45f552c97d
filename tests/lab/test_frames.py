"""The lab's line protocol, fed in pieces of every size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.lab.frames import HELLO, MAX_PAYLOAD, NONCE, Broken, Greeter, Kind, Reader, pack, pieces

frames = st.lists(st.tuples(st.sampled_from(list(Kind)), st.binary(max_size=200)), max_size=8)


@given(frames=frames, cuts=st.lists(st.integers(1, 50), min_size=1))
def test_frames_survive_being_cut_anywhere(frames: list[tuple[Kind, bytes]], cuts: list[int]) -> None:
    stream = b"".join(pack(kind, payload) for kind, payload in frames)
    reader, seen, at, turn = Reader(), list[tuple[Kind, bytes]](), 0, 0
    while at < len(stream):
        step = cuts[turn % len(cuts)]
        seen += reader.feed(stream[at : at + step])
        at, turn = at + step, turn + 1
    assert seen == frames
    assert reader.take_rest() == b""


@given(st.binary(max_size=400))
def test_hostile_bytes_end_in_frames_or_broken(data: bytes) -> None:
    try:
        for kind, payload in Reader().feed(data):
            assert kind in Kind
            assert len(payload) <= MAX_PAYLOAD
    except Broken:
        pass


@given(
    rest=st.binary(max_size=300),
    nonce=st.binary(min_size=NONCE, max_size=NONCE),
    after=st.binary(max_size=50),
)
def test_a_greeting_is_found_behind_the_rest_of_another_session(
    rest: bytes, nonce: bytes, after: bytes
) -> None:
    greeter = Greeter()
    stream = rest + HELLO + nonce + after
    found = None
    for at in range(0, len(stream), 7):
        found = greeter.feed(stream[at : at + 7])
        if found is not None:
            break
    assert found is not None
    if HELLO not in nonce + after:
        assert found[0] == nonce


def test_a_long_payload_becomes_several_frames() -> None:
    payload = bytes(range(256)) * 1024
    seen = Reader().feed(pieces(Kind.OUTPUT, payload))
    assert len(seen) == len(payload) // MAX_PAYLOAD
    assert b"".join(part for _, part in seen) == payload


def test_a_greeting_inside_a_session_breaks_it() -> None:
    with pytest.raises(Broken):
        Reader().feed(HELLO + b"x" * NONCE)
