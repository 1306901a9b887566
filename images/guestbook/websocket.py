"""A WebSocket that says back what it hears: the part of RFC 6455 that takes."""

import base64
import hashlib
import struct
from typing import BinaryIO

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
CLOSE, PING, PONG = 8, 9, 10


def accept_key(key: str) -> str:
    """Return the answer to a client's Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def _exactly(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise ConnectionError("the WebSocket's client went away")
    return data


def read_frame(stream: BinaryIO) -> tuple[int, int, bytes]:
    """Return one frame's first byte, opcode and unmasked content."""
    first, second = _exactly(stream, 2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", _exactly(stream, 2))
    elif length == 127:
        (length,) = struct.unpack("!Q", _exactly(stream, 8))
    mask = _exactly(stream, 4) if second & 0x80 else bytes(4)
    data = _exactly(stream, length)
    return first, first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def frame(first: int, data: bytes) -> bytes:
    """Return a server's frame, which is not masked."""
    if len(data) < 126:
        return struct.pack("!BB", first, len(data)) + data
    if len(data) < 65536:
        return struct.pack("!BBH", first, 126, len(data)) + data
    return struct.pack("!BBQ", first, 127, len(data)) + data


def echo(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Answer each message with itself until the client closes or goes away."""
    while True:
        try:
            first, opcode, data = read_frame(incoming)
            outgoing.write(frame(0x80 | PONG if opcode == PING else first, data))
            outgoing.flush()
        except ConnectionError:
            return
        if opcode == CLOSE:
            return
