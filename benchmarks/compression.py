"""What compressing activations would save, and cost when they are written and loaded.

    python -m benchmarks.compression DATABASE [--vectors 10000]

The stored reference vectors of each layer, float16, one at a time as they lie in the database: as they are,
by zlib at levels 1 and 6, and by zlib after a shuffle (all low bytes, then all high bytes). Times are of
the processor. Loading is what a search does with all of them: bytes to an array (N, D) float32.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from sqlalchemy import select

import db.engine
from db.schema import layers, reference_activations
from ingest.rows import decode_activations


def shuffled(blob: bytes) -> bytes:
    """All low bytes, then all high bytes, which are more alike."""
    return np.frombuffer(blob, "u1").reshape(-1, 2).T.tobytes()


def in_order(blob: bytes) -> bytes:
    """Undo `shuffled`."""
    return np.frombuffer(blob, "u1").reshape(2, -1).T.tobytes()


WAYS: dict[str, tuple[Callable, Callable]] = {  # how a BLOB is written, and how it is read
    "as they are": (bytes, bytes),
    "zlib 1": (partial(zlib.compress, level=1), zlib.decompress),
    "zlib 6": (partial(zlib.compress, level=6), zlib.decompress),
    "shuffled, zlib 1": (
        lambda blob: zlib.compress(shuffled(blob), 1),
        lambda b: in_order(zlib.decompress(b)),
    ),
    "shuffled, zlib 6": (
        lambda blob: zlib.compress(shuffled(blob), 6),
        lambda b: in_order(zlib.decompress(b)),
    ),
}


def compare(blobs: Sequence[bytes]) -> None:
    """Print each way's bytes per vector, and its seconds for all vectors."""
    whole = decode_activations(blobs)
    for way, (write, read) in WAYS.items():
        began = time.process_time()
        written = list(map(write, blobs))
        middle = time.process_time()
        loaded = decode_activations(map(read, written))
        ended = time.process_time()
        assert (loaded == whole).all(), way
        size = sum(map(len, written)) / len(written)
        print(
            f"  {way:18}{size:8,.0f} bytes a vector{size / len(blobs[0]):8.1%}"
            f"{middle - began:8.2f} s to write{ended - middle:8.2f} s to load",
            flush=True,
        )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("database", metavar="DATABASE", help="path or URL")
    parser.add_argument(
        "--vectors", type=int, default=10_000, help="of each layer, at most (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    engine = db.engine.create(options.database, read_only=True)
    columns = reference_activations.c
    with engine.connect() as connection:
        stored = select(layers.c.id, layers.c.name).where(layers.c.kind.in_(("flatten", "dense")))
        for layer_id, name in connection.execute(stored.order_by(layers.c.position)).all():
            query = select(columns.data).where(columns.layer_id == layer_id).limit(options.vectors)
            blobs = list(connection.scalars(query))
            if blobs:
                zeros = np.mean(decode_activations(blobs) == 0)
                print(f"{name}: {len(blobs):,} vectors, {zeros:.0%} of their values are 0")
                compare(blobs)


if __name__ == "__main__":
    main()
