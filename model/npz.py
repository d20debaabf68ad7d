"""Read npz archives of plain arrays: never a pickle, and no size is believed before it is checked."""

import io
import math
import struct
import tokenize
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

HEADER_BYTES = 4096  # that the header of an array may have; NumPy writes 128
BROKEN = (  # what zipfile and NumPy raise for bytes in another format
    *(ValueError, OSError, EOFError, LookupError, TypeError, ArithmeticError, RuntimeError, MemoryError),
    *(SyntaxError, tokenize.TokenError, struct.error, zlib.error, zipfile.BadZipFile),
)


class Header(NamedTuple):
    """What the header of an array says, which agrees with the size of its member."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype
    offset: int  # bytes of the header: the numbers follow


def members_by_name(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members of an archive by the names of their arrays. Raises ValueError for two of one name."""
    members = archive.infolist()
    by_name = {member.filename.removesuffix(".npy"): member for member in members}
    if len(by_name) < len(members):
        raise ValueError("it has two arrays of one name")
    return by_name


def read_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Header:
    """Read the header of an array; it must give the exact size of its member, because NumPy allocates that.

    Raises ValueError for another size, for objects (which are pickles) and for other compressions than
    np.savez uses; what is damaged raises any of BROKEN.
    """
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is compressed in another way than np.savez does")
    with archive.open(member) as packed:
        stream = io.BytesIO(packed.read(HEADER_BYTES))
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{member.filename} is of version {version}, expected 1.0 or 2.0")
    is_version_1 = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if is_version_1 else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds objects, which are pickles")
    byte_count = member.file_size - stream.tell()
    if math.prod(shape) * dtype.itemsize != byte_count or min(shape, default=0) < 0:
        raise ValueError(f"{member.filename} has {byte_count:,} bytes for {dtype} of shape {shape}")
    return Header(shape, fortran_order, dtype, stream.tell())


def read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Read an array; errors as in `read_header`."""
    read_header(archive, member)
    with archive.open(member) as packed:
        stream = io.BytesIO(packed.read(member.file_size))
    return np.lib.format.read_array(stream, allow_pickle=False)
