"""`python -m dashapp` is `xpixels serve`."""

import sys

from xpixels import run

if __name__ == "__main__":
    sys.argv.insert(1, "serve")
    run()
