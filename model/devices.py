"""One CPU device a core: XLA's own threads do not keep several cores busy with small operations."""

import math
import os

import jax


def use_all_cores(shares: int | None = None) -> None:
    """Ask for one CPU device a core, each running on one thread; before JAX's first computation.

    shares: what the devices share equally, as the images of a training batch; then there are only so many
        devices as divide it.
    """
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
    cores = len(os.sched_getaffinity(0))
    jax.config.update("jax_num_cpu_devices", math.gcd(shares, cores) if shares else cores)
