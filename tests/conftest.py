"""Shared by all tests: strict JAX, and the bundled sample read once."""

from types import SimpleNamespace

import jax
import pytest

from model.data import load

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def sample():
    """Give the bundled sample: .train (4,000 images) and .test (1,000), to be read, not written to."""
    return SimpleNamespace(train=load("cifar10-sample", "train"), test=load("cifar10-sample", "test"))
