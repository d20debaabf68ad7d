"""The case list, `/`."""

from dashapp.pages.cases.page import PATH, TITLE, layout, register, validation_layout

__all__ = ["PATH", "TITLE", "layout", "register", "validation_layout"]
