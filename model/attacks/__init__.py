"""Attacks on a network by changed pixels: a file each, registered in METHODS.

What is imported from here is listed in `__init__.pyi`, and loaded when it is first asked for: a command's
help is told without JAX.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
