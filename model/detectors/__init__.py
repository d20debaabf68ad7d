"""Detectors: they score images to distinguish attacked images from others.

The names to import from here are listed in `__init__.pyi`, and loaded on first use: a command's help is
printed without JAX.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
