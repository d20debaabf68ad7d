"""The command `xpixels check`: new images judged by a database's detectors."""
