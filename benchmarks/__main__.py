"""`make bench`: run every benchmark in a process of its own and print its title and results.

`benchmarks.rivals` is left out: it needs PyTorch in another environment (`make rivals`).
"""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    for name in ("passes", "attack", "repair", "search", "tuning", "training", "writes"):
        print(f"\n{import_module(f'benchmarks.{name}').__doc__.splitlines()[0]}", flush=True)
        subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"], check=True, cwd=Path(__file__).parents[1]
        )
