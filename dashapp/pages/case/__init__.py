"""The page of one case, `/case/<id>`.

What is imported from here is listed in `__init__.pyi`, and loaded when it is first asked for: the page
imports the other files of this folder.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
