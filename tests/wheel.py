"""The wheel, built and tried where there is no checkout: `make wheel`.

It is installed into a new virtual environment in a folder of its own. There `xpixels demo` makes a database,
and the dashboard answers with every asset that its page names.
"""

import os
import re
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urljoin

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("dashapp", "db", "ingest", "migrations", "model")
MODULES = ("text_table.py", "whole_file.py", "xpixels.py")


def main() -> None:
    """Build, install, make a database and serve it; raises where something is missing."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build_wheel(folder / "dist")
        require_every_file(wheel)
        xpixels = install(wheel, folder / "environment")
        empty = folder / "empty"
        empty.mkdir()
        run("demo", xpixels, "demo", "--no-serve", cwd=empty)
        check_dashboard(xpixels, empty)


def run(what: str, *command: str | Path, cwd: Path = ROOT) -> None:
    """Run a command to its end, without what the checkout's environment sets, and say how long it took.

    What the command prints is shown only where it fails.
    """
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=cwd, env=plain_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\n{what}: exit status {done.returncode}")
    print(f"{what}: {time.monotonic() - began:.0f} s", flush=True)


def plain_environment() -> dict[str, str]:
    """This environment without what leads Python or xpixels to other files."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "XPIXELS"))}


def build_wheel(folder: Path) -> Path:
    """Build the source archive, and from it the wheel: nothing that an earlier build left can slip in."""
    run("build", sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def require_every_file(wheel: Path) -> None:
    """Compare what the wheel holds with the files of the packages that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", *PACKAGES, *MODULES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    expected = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    if held != expected:
        sys.exit(f"missing in the wheel: {sorted(expected - held)}; not in git: {sorted(held - expected)}")


def install(wheel: Path, environment: Path) -> Path:
    """Install the wheel as a user does, in the versions of the lock file; gives the command `xpixels`."""
    run("make an environment", sys.executable, "-m", "venv", environment)
    pip = [environment / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    run("install", *pip, "--constraint", ROOT / "requirements.lock", wheel)
    return environment / "bin" / "xpixels"


def check_dashboard(xpixels: Path, folder: Path) -> None:
    """Serve the database of a folder, and ask for a page and all that it names."""
    with subprocess.Popen(
        [xpixels, "serve", "--port", "0"],
        cwd=folder,
        env=plain_environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            address = process.stdout.readline().split()[-1]
            page = read(f"{address}/").decode()
            named = re.findall(r'(?:src|href)="([^"]+)"', page)
            sheets = [name for name in named if "/assets/" in name]
            if len(sheets) < len(list((ROOT / "dashapp" / "assets").rglob("*.css"))):
                sys.exit(f"the page names {len(sheets)} assets: {sheets}")
            for name in named:
                read(urljoin(f"{address}/", name))
            read(f"{address}/_dash-layout")
            print(f"the dashboard answers with {len(named)} files that its page names")
        finally:
            process.terminate()


def read(url: str) -> bytes:
    """The answer to a request; raises HTTPError where it is none."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read()


if __name__ == "__main__":
    main()
