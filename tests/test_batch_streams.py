"""The same batch comes out the same: its random streams draw what they always did, and blocks are whole."""

import re
from pathlib import Path

import numpy as np
import pytest

from ingest.batch import STREAMS, Batch
from ingest.stages import attack, repair, sweep
from model.attacks.step import as_function
from model.attacks.sweep import images_together

ROOT = Path(__file__).parents[1]
# Drawn by the program before its streams had names: the same seed must go on making the same cases.
DRAWN = {
    0: {
        "order": [82, 36, 20, 5, 93, 16],
        "targets": [522, 889, 992, 557, 302, 800],
        "case ids": [75, 88, 27, 62, 65, 17],
    },
    7: {
        "order": [88, 42, 26, 50, 54, 70],
        "targets": [870, 770, 875, 111, 258, 189],
        "case ids": [9, 11, 63, 0, 12, 37],
    },
    2**32 - 1: {
        "order": [48, 88, 68, 94, 62, 86],
        "targets": [758, 892, 3, 911, 0, 896],
        "case ids": [6, 40, 27, 32, 38, 80],
    },
}


@pytest.mark.parametrize("seed", DRAWN)
def test_each_stream_draws_what_it_drew_before_it_had_a_name(seed):
    batch = Batch(seed=seed)
    assert batch.random("order").permutation(100)[:6].tolist() == DRAWN[seed]["order"]
    assert batch.random("targets").integers(0, 1000, 6).tolist() == DRAWN[seed]["targets"]
    assert batch.random("case ids").permutation(100)[:6].tolist() == DRAWN[seed]["case ids"]
    assert DRAWN[seed].keys() == STREAMS.keys()


def test_the_order_is_that_of_the_seed_alone():
    expected = np.random.default_rng(11).permutation(1000)
    np.testing.assert_array_equal(Batch(seed=11).random("order").permutation(1000), expected)


def test_a_stream_begins_anew_and_no_two_are_alike():
    batch = Batch(seed=3)
    drawn = {name: batch.random(name).integers(0, 2**32, 8).tolist() for name in STREAMS}
    assert drawn == {name: batch.random(name).integers(0, 2**32, 8).tolist() for name in STREAMS}
    assert len(set(STREAMS.values())) == len(set(map(tuple, drawn.values()))) == len(STREAMS)


def test_a_stream_without_a_name_is_refused():
    with pytest.raises(KeyError, match="clean"):
        Batch().random("clean")


def test_an_ingest_makes_its_generators_in_the_register_alone():
    made = re.compile(r"default_rng|SeedSequence|RandomState|np\.random\.[a-z]")
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "ingest").rglob("*.py")
        if made.search(path.read_text())
    }
    assert files == {"ingest/batch.py"}


@pytest.mark.parametrize("levels", range(2, 17))
@pytest.mark.parametrize("channels", [1, 3])
def test_the_chunks_of_workers_are_whole_blocks_whose_bits_do_not_depend_on_who_computes_them(
    levels, channels
):
    together = images_together(as_function(len), (7, 6, channels), levels**channels)
    assert sweep.CHUNK % together == attack.CHUNK % together == 0
    assert repair.CHUNK % repair.TOGETHER == repair.IN_MEMORY % repair.TOGETHER == 0
