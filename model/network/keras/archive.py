"""The `.keras` format: a zip of `metadata.json`, `config.json` and `model.weights.h5`, by exact names."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from model.network.foreign import WAY_OUT, ForeignError
from model.network.keras.hdf5 import FREELY, MOST_BYTES, MOST_RATIO, MOST_TEXT

SIGNATURE = b"PK\x03\x04"
MEMBERS: Mapping[str, int] = {  # the most bytes of each
    "metadata.json": MOST_TEXT,
    "config.json": MOST_TEXT,
    "model.weights.h5": MOST_BYTES,
}


def read_members(path: Path) -> dict[str, bytes]:
    """The content of each member by name; nothing else in the zip is looked at, nor unpacked to disk.

    Raises ForeignError for a missing or doubled member, and for one that unpacks to more than it may; what
    zipfile raises for a damaged file.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        return {name: _read(archive, members, name, most, path) for name, most in MEMBERS.items()}


def _read(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], name: str, most: int, path: Path
) -> bytes:
    chosen = [member for member in members if member.filename == name]
    if len(chosen) != 1:
        other = sorted(member.filename for member in members if member.filename.startswith("model.weights"))
        has = f"it has {', '.join(other)[:80]}; " if other and name.endswith("h5") else ""
        raise ForeignError(
            f"network {path}: a zip with {len(chosen)} members {name!r}: expected one, as in the .keras file "
            f"that `model.save` writes; {has}save it so, or {WAY_OUT}"
        )
    member = chosen[0]
    allowed = most if name.endswith("json") else min(most, MOST_RATIO * member.compress_size + FREELY)
    if member.file_size > allowed:
        raise ForeignError(
            f"network {path}: {name} unpacks from {member.compress_size:,} to {member.file_size:,} bytes: "
            f"expected at most {allowed:,}"
        )
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ForeignError(f"network {path}: {name} is packed in an unusual way: expected a .keras file")
    with archive.open(member) as packed:
        return packed.read(member.file_size)
