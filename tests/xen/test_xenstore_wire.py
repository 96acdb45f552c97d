"""The XenStore codec: literal packets, and properties over any bytes in pieces of any size."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domus.model.errors import BadInput
from domus.xen.xenstore import wire
from domus.xen.xenstore.wire import Operation, Packet, PacketReader, ProtocolError

# As seen on a real connection (Xen 4.20): the reply to READ /local/domain/0/name, request 7.
READ_REPLY = bytes.fromhex("02000000 07000000 00000000 08000000") + b"Domain-0"
ENOENT_REPLY = bytes.fromhex("10000000 08000000 00000000 07000000") + b"ENOENT\0"
EVENT = bytes.fromhex("0f000000 00000000 00000000 17000000") + b"@releaseDomain\0domus-1\0"

words = st.integers(0, 0xFFFFFFFF)
packets = st.lists(st.builds(Packet, words, words, words, st.binary(max_size=64)), max_size=8)
node_names = st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=12)


def raw(packet: Packet) -> bytes:
    header = struct.pack("=IIII", packet.operation, packet.req_id, packet.tx_id, len(packet.payload))
    return header + packet.payload


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


def test_a_request_is_encoded_as_xenstored_expects_it() -> None:
    message = wire.encode(Operation.READ, wire.strings("/local/domain/0/name"), req_id=7)
    assert message == bytes.fromhex("02000000 07000000 00000000 15000000") + b"/local/domain/0/name\0"


def test_a_write_has_no_nul_behind_its_value() -> None:
    assert wire.path_and_value("/a", b"x\0y") == b"/a\0x\0y"


def test_replies_and_events_come_out_in_order() -> None:
    read, error, event = PacketReader().feed(READ_REPLY + ENOENT_REPLY + EVENT)
    assert read == Packet(Operation.READ, 7, 0, b"Domain-0")
    assert wire.errno_name(error.payload) == "ENOENT"
    assert wire.watch_event(event.payload) == ("@releaseDomain", "domus-1")


@pytest.mark.parametrize("size", range(1, len(READ_REPLY + EVENT) + 1))
def test_pieces_of_every_size_give_the_same_packets(size: int) -> None:
    stream, reader = READ_REPLY + EVENT, PacketReader()
    got = [packet for at in range(0, len(stream), size) for packet in reader.feed(stream[at : at + size])]
    assert got == PacketReader().feed(stream)


@given(packets, st.lists(st.integers(0, 10_000)))
def test_any_packets_survive_any_cuts(sent: list[Packet], cuts: list[int]) -> None:
    reader = PacketReader()
    stream = b"".join(map(raw, sent))
    assert [packet for piece in pieces(stream, cuts) for packet in reader.feed(piece)] == sent


@given(st.sampled_from(Operation), st.binary(max_size=wire.PAYLOAD_MAX), words, words)
def test_what_is_encoded_is_read_back(operation: Operation, payload: bytes, req_id: int, tx_id: int) -> None:
    message = wire.encode(operation, payload, req_id=req_id, tx_id=tx_id)
    assert PacketReader().feed(message) == [Packet(operation, req_id, tx_id, payload)]


@given(st.lists(st.binary(max_size=200)))
@example([b"\xff" * 16])
def test_hostile_bytes_end_only_in_packets_or_a_protocol_error(stream: list[bytes]) -> None:
    reader = PacketReader()
    try:
        for piece in stream:
            for packet in reader.feed(piece):
                assert len(packet.payload) <= wire.PAYLOAD_MAX
    except ProtocolError:
        with pytest.raises(ProtocolError):
            reader.feed(READ_REPLY)


@given(st.binary(max_size=300))
def test_hostile_payloads_end_only_in_values_or_a_protocol_error(payload: bytes) -> None:
    for parse in (wire.errno_name, wire.watch_event, wire.directory_part, wire.first_string):
        try:
            parse(payload)
        except ProtocolError as error:
            assert len(error.what) < 200


def test_packets_before_an_impossible_header_are_not_lost() -> None:
    reader = PacketReader()
    assert len(reader.feed(READ_REPLY + b"\xff" * 16)) == 1
    assert reader.broken
    with pytest.raises(ProtocolError):
        reader.feed(b"")


def test_4096_bytes_are_sent_and_one_more_is_refused() -> None:
    wire.encode(Operation.WRITE, b"x" * 4096, req_id=1)
    with pytest.raises(BadInput):
        wire.encode(Operation.WRITE, b"x" * 4097, req_id=1)


def test_a_nul_in_a_string_is_refused() -> None:
    with pytest.raises(BadInput):
        wire.strings("/a\0b")


@given(st.lists(node_names), st.booleans())
def test_a_part_of_a_directory_knows_its_size_and_whether_it_is_the_last(
    children: list[str], last: bool
) -> None:
    if not children and not last:
        return  # xenstored sends no such part
    listing = wire.strings(*children)
    part = wire.directory_part(b"5\0" + listing + (b"\0" if last else b""))
    assert (wire.names(part.children), part.size, part.last) == (children, len(listing), last)
    assert part.generation == "5"
