"""Data sets as arrays of images and labels, registered in DATASETS, and image files from users.

The names to import from here are listed in `__init__.pyi`, and loaded on first use: the register imports
the other files of this folder.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
