"""A cache of compiled XLA programs for the processes of a benchmark, so that only the first one compiles."""

from pathlib import Path


def compiled_in(folder: Path) -> dict[str, str]:
    """Environment variables for a cache in the folder, which is made when it is needed."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_COMPILATION_CACHE_MAX_SIZE": str(2**32),  # with a bound, JAX locks what it writes
    }
