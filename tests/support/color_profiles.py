"""Color profiles made by hand, byte for byte (ICC.1:2001-04), whose colors a test can calculate."""

import struct

D50 = (0.9642, 1.0, 0.8249)
# sRGB's primaries, adapted to D50 as every profile has them
SRGB = ((0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139))
SWAPPED = (SRGB[1], SRGB[0], SRGB[2])  # red is what others call green


def rgb(name: str, gamma: float, primaries=SRGB) -> bytes:
    """A profile of a screen."""
    colorants = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(_xyz, primaries), strict=True))
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma))
    return _profile(b"RGB ", b"XYZ ", name, colorants | curves)


def gray(name: str, gamma: float) -> bytes:
    """A profile of gray values."""
    return _profile(b"GRAY", b"XYZ ", name, {b"kTRC": _curve(gamma)})


def cmyk(name: str) -> bytes:
    """A profile in which black takes away light in proportion, and the other inks do nothing: gray in Lab."""
    corners = bytes(value for corner in range(16) for value in ((0 if corner & 1 else 255), 128, 128))
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(round(65536 * (i % 4 == 0)) for i in range(9)))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + ramp * 4 + corners + ramp * 3
    return _profile(b"CMYK", b"Lab ", name, {b"A2B0": table}, kind=b"prtr")


def _profile(space: bytes, pcs: bytes, name: str, tags: dict[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    text = name.encode("latin-1") + b"\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(12 + 67),
        b"wtpt": _xyz(D50),
        **tags,
    }
    first, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for tag, content in tags.items():
        table += tag + struct.pack(">II", first + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", first + len(data), bytes(4), 0x02400000, kind, space, pcs)
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def _xyz(values) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _fixed(values) -> bytes:
    return struct.pack(">3i", *(round(value * 65536) for value in values))


def _curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
