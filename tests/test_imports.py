"""The import rules of setup.cfg, and what importing the dashboard must not bring along."""

import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

import xpixels

ROOT = Path(__file__).parents[1]


def test_nobody_imports_what_the_rules_forbid():
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert "5 kept, 0 broken" in result.stdout


def test_no_files_import_one_another_in_a_circle():
    """Not within functions either, nor for the sake of types."""
    packages = [name for name in xpixels.PACKAGES if (ROOT / name).is_dir()]
    graph = grimp.build_graph(*packages, "migrations", cache_dir=None)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imported) > 250
    TopologicalSorter(imported).prepare()  # raises CycleError, which tells the circle


def test_the_command_line_starts_without_jax_and_dash():
    code = "import sys, xpixels; xpixels.parser(); print({'jax', 'dash', 'flax'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr
