"""`python -m dashapp` is `xpixels serve`."""

import sys

from xpixels import run

sys.argv.insert(1, "serve")
run()
