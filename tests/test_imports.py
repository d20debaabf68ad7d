"""The import rules of setup.cfg, and what importing the dashboard must not bring along."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_nobody_imports_what_the_rules_forbid():
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert "5 kept, 0 broken" in result.stdout


def test_the_command_line_starts_without_jax_and_dash():
    code = "import sys, xpixels; xpixels.parser(); print({'jax', 'dash', 'flax'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr
