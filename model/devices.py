"""One CPU device per core: XLA's own threads do not keep several cores busy with small operations."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

import jax
import numpy as np

T = TypeVar("T")
USUAL_PIXELS = 64 * 64  # of an image; of larger ones fewer are evaluated together
TWO = 2  # minimum length of a block where every bit counts: another routine multiplies a single row


def use_all_cores(shares: int | None = None) -> None:
    """Ask for one CPU device per core, each running on one thread; call it before JAX computes anything.

    A later call changes nothing: there remains one device, with which every program here works, too.
    shares: a number of items that the devices share equally, such as the images of a training batch; then
        there are only as many devices as divide it.
    """
    cores = len(os.sched_getaffinity(0))
    try:
        jax.config.update("jax_num_cpu_devices", math.gcd(shares, cores) if shares else cores)
    except RuntimeError:
        return
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"


def most_together(wanted: int, shape: Sequence[int]) -> int:
    """How many images of `shape` (H, W, C) one pass takes: `wanted`, of images above 64 x 64 pixels fewer."""
    return max(1, wanted * USUAL_PIXELS // max(USUAL_PIXELS, shape[0] * shape[1]))


def in_blocks(
    function: Any,
    count: int,
    together: int,
    work: Callable[[Any, jax.Device, np.ndarray], T],
    *,
    least: int = 1,
) -> Iterator[tuple[np.ndarray, T]]:
    """Yield (indices (n,), what `work` returns for them) for blocks of range(count), in order.

    Every device works on a block of its own, with a thread that compiles for it and waits for it. `work` gets
    the function's copy on the device, the device, and the indices padded to one length, a power of two of
    at most `together`, so that few shapes are compiled: the caller drops results after the first n.

    least: the minimum length; if it equals `together`, all blocks have that shape, however few items there
        are, and an item's result is the same to the last bit.
    """
    devices = jax.local_devices()
    share = -(-count // len(devices))
    together = min(together, max(least, 1 << (share - 1).bit_length()))
    free: SimpleQueue[tuple[jax.Device, Any]] = SimpleQueue()
    for device in devices:
        free.put((device, jax.device_put(function, device)))

    def block(first: int) -> tuple[np.ndarray, T]:
        indices = np.arange(first, min(first + together, count))
        device, copy = free.get()
        try:
            return indices, work(copy, device, np.resize(indices, together))
        finally:
            free.put((device, copy))

    pool = ThreadPoolExecutor(len(devices))
    try:
        yield from pool.map(block, range(0, count, together))
    finally:
        pool.shutdown(cancel_futures=True)
