"""What a Xet client uploads, put together again (the protocol: https://huggingface.co/docs/xet).

The client cuts files into chunks, sends each chunk once, packed with others into *xorbs*, and then a *shard*: a table
that says of every file from which chunks of which xorbs it is made, and which sha256 it has. All numbers are little
endian; hashes are written as four words of eight bytes each, so that their hex digits stand in reversed groups.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

_ROW = 48
_WITH_VERIFICATION, _WITH_METADATA = 1 << 31, 1 << 30
_END_OF_FILES = b"\xff" * 32
_FOOTER = b"XETBLOB"


class XetStore:
    """The chunks that were sent, by xorb."""

    def __init__(self) -> None:
        self._xorbs: dict[str, list[bytes]] = {}

    def add_xorb(self, name: str, body: bytes) -> None:
        """Keep the chunks of a xorb.

        Raises:
            ValueError: they are not packed as the protocol says.
        """
        self._xorbs[name] = list(_chunks(body))

    def files(self, shard: bytes) -> dict[str, bytes]:
        """The files that a shard describes: sha256 -> content.

        Raises:
            ValueError: the shard is malformed, or a file does not have the sha256 that it should have.
            KeyError: a xorb was never sent.
        """
        rows = [shard[start : start + _ROW] for start in range(_ROW, len(shard) - _ROW + 1, _ROW)]
        found: dict[str, bytes] = {}
        at = 0
        while rows[at][:32] != _END_OF_FILES:
            flags, count = struct.unpack_from("<II", rows[at], 32)
            segments = rows[at + 1 : at + 1 + count]
            at += 1 + (2 * count if flags & _WITH_VERIFICATION else count)
            content = b"".join(chunk for row in segments for chunk in self._segment(row))
            digest = hashlib.sha256(content).hexdigest()
            if not flags & _WITH_METADATA or _hex(rows[at][:32]) != digest:
                raise ValueError(f"a file of a shard has another sha256 than {digest}")
            at += 1
            found[digest] = content
        return found

    def _segment(self, row: bytes) -> list[bytes]:
        _, _, first, last = struct.unpack_from("<IIII", row, 32)
        return self._xorbs[_hex(row[:32])][first:last]


def _hex(hashed: bytes) -> str:
    return "".join(hashed[start : start + 8][::-1].hex() for start in range(0, 32, 8))


def _chunks(body: bytes) -> Iterator[bytes]:
    """The chunks of a xorb: a byte of version, three of packed size, one of packing, three of size, then the chunk."""
    at = 0
    while at < len(body) and not body.startswith(_FOOTER, at):
        packed = int.from_bytes(body[at + 1 : at + 4], "little")
        packing = body[at + 4]
        size = int.from_bytes(body[at + 5 : at + 8], "little")
        chunk = body[at + 8 : at + 8 + packed]
        at += 8 + packed
        if packing in (1, 2):
            chunk = _lz4_frame(chunk)
        if packing == 2:
            chunk = _interleave(chunk)
        if packing > 2 or len(chunk) != size:
            raise ValueError(f"a chunk of {len(chunk)} bytes, packed as {packing}, should have {size}")
        yield chunk


def _interleave(grouped: bytes) -> bytes:
    """Undo the grouping of first, second, third and fourth bytes, which makes floating-point numbers smaller."""
    mixed, at = bytearray(len(grouped)), 0
    for place in range(4):
        count = len(range(place, len(grouped), 4))
        mixed[place::4] = grouped[at : at + count]
        at += count
    return bytes(mixed)


def _lz4_frame(frame: bytes) -> bytes:
    """Unpack LZ4 (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md), for which Python has no module."""
    flags = frame[4]
    at = 7 + (8 if flags & 0x08 else 0) + (4 if flags & 0x01 else 0)
    out = bytearray()
    while size := int.from_bytes(frame[at : at + 4], "little"):
        stored, size = size >> 31, size & 0x7FFFFFFF
        block = frame[at + 4 : at + 4 + size]
        at += 4 + size + (4 if flags & 0x10 else 0)
        if stored:
            out += block
        else:
            _lz4_block(block, out)
    return bytes(out)


def _lz4_block(block: bytes, out: bytearray) -> None:
    at = 0

    def length(nibble: int) -> int:
        nonlocal at
        total, more = nibble, nibble == 15
        while more:
            total, more = total + block[at], block[at] == 255
            at += 1
        return total

    while at < len(block):
        token = block[at]
        at += 1
        literals = length(token >> 4)
        out += block[at : at + literals]
        at += literals
        if at >= len(block):
            return
        distance = int.from_bytes(block[at : at + 2], "little")
        at += 2
        count = length(token & 15) + 4
        start = len(out) - distance
        repeated = bytes(out[start : start + count])
        # A match may reach into what it is about to write: then it repeats itself.
        out += (repeated * (count // len(repeated) + 1))[:count]
