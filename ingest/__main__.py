"""`python -m ingest` is `xpixels ingest`."""

import sys

from xpixels import run

if __name__ == "__main__":
    sys.argv.insert(1, "ingest")
    run()
