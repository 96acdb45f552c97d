"""The least that a VNC viewer has to say (RFC 6143), for tests."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

#: 32 bits per pixel, depth 24, little-endian, true colour: red, green and blue of 8 bits at 16, 8 and 0
_FORMAT = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
_SET_FORMAT, _ASK_FOR_PICTURE, _KEY = 0, 3, 4
_RAW = 0
NO_AUTHENTICATION = 1


@dataclass
class Picture:
    """What a display shows."""

    name: str
    width: int
    height: int
    pixels: bytes  #: four bytes each: blue, green, red, nothing

    def ppm(self) -> bytes:
        """It as a file that one can look at."""
        rgb = bytearray(3 * self.width * self.height)
        rgb[0::3], rgb[1::3], rgb[2::3] = self.pixels[2::4], self.pixels[1::4], self.pixels[0::4]
        return b"P6 %d %d 255\n" % (self.width, self.height) + rgb

    def lit(self) -> int:
        """How many pixels are not black."""
        return sum(self.pixels[at : at + 3] != bytes(3) for at in range(0, len(self.pixels), 4))


class Viewer:
    """A connection to a VNC server that asks for no password."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        version = self._read(12)
        assert version == b"RFB 003.008\n", version
        self._socket.sendall(version)
        kinds = self._read(self._read(1)[0])
        assert NO_AUTHENTICATION in kinds, kinds
        self._socket.sendall(bytes([NO_AUTHENTICATION]))
        assert self._read(4) == bytes(4)  # the security's result
        self._socket.sendall(b"\1")  # others may watch too
        self.width, self.height = struct.unpack(">HH", self._read(4))
        self._read(16)
        self.name = self._read(struct.unpack(">I", self._read(4))[0]).decode()
        self._socket.sendall(struct.pack(">Bxxx", _SET_FORMAT) + _FORMAT)

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def picture(self) -> Picture:
        """The whole display."""
        self._socket.sendall(struct.pack(">BBHHHH", _ASK_FOR_PICTURE, 0, 0, 0, self.width, self.height))
        pixels = bytearray(4 * self.width * self.height)
        painted = 0
        while painted < self.width * self.height:
            assert self._read(1) == b"\0"  # FramebufferUpdate
            (rectangles,) = struct.unpack(">xH", self._read(3))
            for _ in range(rectangles):
                x, y, width, height, encoding = struct.unpack(">HHHHi", self._read(12))
                assert encoding == _RAW
                for row in range(y, y + height):
                    at = 4 * (row * self.width + x)
                    pixels[at : at + 4 * width] = self._read(4 * width)
                painted += width * height
        return Picture(self.name, self.width, self.height, bytes(pixels))

    def press(self, keysym: int) -> None:
        """Press a key and let it go; `keysym` is X's number of it."""
        for down in (1, 0):
            self._socket.sendall(struct.pack(">BBxxI", _KEY, down, keysym))

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            assert piece, "the server hung up"
            data += piece
        return data
