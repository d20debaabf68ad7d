"""Two networks side by side, `/compare`.

`__init__.pyi` lists the exported names. They are loaded on first use, since the page imports the other files
of this folder.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
