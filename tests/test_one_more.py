"""One more metric, attack, detector, data set, map and page: each by its registers alone, found everywhere.

Facets: tests/test_facet_register.py.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from db import vocabulary
from model.attacks.methods import METHODS
from model.detectors.metrics import METRICS
from model.detectors.registry import DETECTORS
from model.detectors.tuning import K_MAX
from model.detectors.votes import RULES
from model.network.architecture import COMPOSED, POOLED, SCALED
from tests.support.ingest_process import compiled_in

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def toy(small_weights, shared, tmp_path_factory):
    """Where the program with one more of everything has found it."""
    program = [sys.executable, "-m", "tests.support.toy_registers"]
    folder = tmp_path_factory.mktemp("toy")
    compiled = os.environ | compiled_in(shared / "compiled")
    done = subprocess.run(
        [*program, folder, small_weights], cwd=ROOT, env=compiled, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_what_rows_call_things_is_what_computes_them():
    assert tuple(vocabulary.METRICS) == tuple(METRICS)
    assert tuple(vocabulary.RULES) == tuple(RULES)
    assert set(vocabulary.DETECTORS) == set(DETECTORS)
    assert tuple(vocabulary.COMPOSITIONS) == (COMPOSED, SCALED, POOLED)
    assert set(METHODS) <= set(vocabulary.ATTACKS)
    assert vocabulary.K_MAX == K_MAX
    of_words = [register for name, register in vars(vocabulary).items() if name.isupper()]
    for register in (METRICS, DETECTORS, METHODS, *of_words):
        if isinstance(register, dict):
            assert [getattr(row, "name", name) for name, row in register.items()] == list(register)


def test_a_toy_data_set_is_ingested_by_a_toy_attack_whose_parameters_are_kept(toy):
    assert toy["status"] == 0
    assert ["toy"] in toy["datasets"]
    assert toy["attacks"] == [["toy", "3 tries"]]
    ((parameters,),) = toy["parameters"]
    assert json.loads(parameters) == {
        "dataset": "toy",
        "attack": "toy",
        "targets": "none",
        "screen": None,
        "seed": 0,
        "toy_tries": 3,
    }


def test_a_toy_metric_and_a_toy_detector_have_rows(toy):
    assert toy["metrics"] == [["toy"]]
    assert toy["detectors"] == [[8]]


def test_pages_show_them(toy):
    pages = toy["pages"]
    assert "Toy page" in pages["menu"]
    assert "hello from the toy" in pages["/toy"]
    assert "Toy map" in pages["/case/1"]
    assert "toy detector" in pages["/case/1"]
    assert "the sum of the roots of the absolute differences" in pages["/case/1"]
    assert "Alarms when another class is near" in pages["/"]
    assert '"toy"' in pages["/detectors"]


def test_the_command_line_knows_them(toy):
    said = toy["options"]
    for part in ("--toy-tries", "differential-evolution,corner-sweep,toy", "cifar10-sample,toy"):
        assert part in said["ingest"]
    assert "chebyshev,toy" in said["check"]
    assert "cifar10-sample,toy" in said["train"]
