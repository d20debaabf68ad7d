"""Bytes that no program wrote: files that are damaged by chance or made to harm, and what must come of them.

Every file is made from SEED and its number, both printed when it fails.
"""

import io
import os
import random
import resource
import struct
import zipfile
from contextlib import contextmanager

import psutil

SEED = os.environ.get("XPIXELS_SEED", "1")
TIMES = int(os.environ.get("XPIXELS_REQUESTS", "1"))
GIGABYTE = 1 << 30
HEADER = "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}"


@contextmanager
def little_memory():
    """A gigabyte more than there is now, and no further: what takes more fails."""
    used = psutil.Process().memory_info().vms
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + GIGABYTE, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def of(part, number):
    return random.Random(f"{SEED}/{part}/{number}")


def damaged(chance, content):
    """Some bytes of a file replaced, cut out, doubled or moved."""
    content = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8))):
        place, size = chance.randrange(len(content) + 1), chance.choice((1, 1, 4, 16, 300))
        what = chance.randrange(5)
        if what == 0:
            content[place : place + size] = chance.randbytes(size)
        elif what == 1:
            del content[place : place + size]
        elif what == 2:
            content[place:place] = content[place : place + size]
        elif what == 3:
            content[place : place + 4] = struct.pack("<I", chance.choice((0, 1, 2**31, 2**32 - 1)))
        elif place < len(content):
            content[place] ^= 1 << chance.randrange(8)
    return bytes(content)


def one_line(error, label):
    text = str(error)
    assert text, label
    assert "\n" not in text, label


def npz(member, *, compression=zipfile.ZIP_STORED, name="conv1.bias.npy", claims=None):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        file.writestr(name, member)
        if claims is not None:
            file.infolist()[0].file_size = claims
    return stream.getvalue()


def npy(header, data=b""):
    header = header.encode("latin1").ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


@contextmanager
def read_or_refused(name, refusal, refused=None):
    """What is generated is read, or refused by `refusal` in one line and noted; any other error fails."""
    try:
        yield
    except refusal as error:
        one_line(error, f"{name} of seed {SEED}")
        if refused is not None:
            refused.append(name)
    except Exception as error:
        raise AssertionError(f"{name} of seed {SEED}") from error
