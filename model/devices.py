"""One CPU device a core: XLA's own threads do not keep several cores busy with small operations."""

import math
import os

import jax


def use_all_cores(shares: int | None = None) -> None:
    """Ask for one CPU device a core, each running on one thread; once JAX has computed it is too late.

    It then stays as it is, with one device that every program here can do with, too.
    shares: what the devices share equally, as the images of a training batch; then there are only so many
        devices as divide it.
    """
    cores = len(os.sched_getaffinity(0))
    try:
        jax.config.update("jax_num_cpu_devices", math.gcd(shares, cores) if shares else cores)
    except RuntimeError:
        return
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
