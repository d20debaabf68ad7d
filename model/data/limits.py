"""What a data set may be: sides, channels, classes, images, bytes; and the line for whatever is beyond."""

import shutil
from pathlib import Path

MIN_SIDE, MAX_SIDE = 2, 256  # pixels
CHANNELS = {1: "gray", 3: "color"}
MIN_CLASSES, MAX_CLASSES = 2, 1000
MAX_IMAGES = 1 << 24
MAX_BYTES = 1 << 34  # of the pixels as they are unpacked
MAX_RATIO = 500  # bytes unpacked for each byte of a compressed file, as real images never have
FREELY = 1 << 26  # bytes that may be unpacked at any ratio


def check_size(height: int, width: int) -> None:
    """Raise ValueError for sides that no data set may have."""
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in (height, width)):
        raise ValueError(
            f"images of {height} x {width} pixels (rows x columns), expected {MIN_SIDE} x {MIN_SIDE} to "
            f"{MAX_SIDE} x {MAX_SIDE}: give --resize H W"
        )


def check_byte_count(images: int, byte_count: int) -> None:
    """Raise ValueError for more images, or bytes of pixels, than a data set may have."""
    if images > MAX_IMAGES:
        raise ValueError(f"{images:,} images, expected at most {MAX_IMAGES:,}: take a part of them")
    if byte_count > MAX_BYTES:
        raise ValueError(
            f"{byte_count:,} bytes of pixels, expected at most {MAX_BYTES:,}: take a part of them"
        )


def check_ratio(unpacked: int, packed: int) -> None:
    """Raise ValueError for a file that unpacks to far more than images do."""
    if unpacked > max(FREELY, MAX_RATIO * packed):
        raise ValueError(
            f"{packed:,} bytes that unpack to {unpacked:,}, expected at most {MAX_RATIO} times as many: "
            "it is damaged or made to fill a disk"
        )


def check_room(folder: Path, byte_count: int) -> None:
    """Raise ValueError if the disk of a folder has fewer bytes left than are to be written."""
    free = shutil.disk_usage(folder).free
    if free < byte_count:
        raise ValueError(
            f"{byte_count:,} bytes do not fit on the disk of the cache folder, which has {free:,} left: make "
            "room, or name another folder in XPIXELS_CACHE"
        )
