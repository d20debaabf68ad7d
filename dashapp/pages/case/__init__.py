"""The page of one case, `/case/<id>`."""

from dashapp.pages.case.page import FOLLOWS_ADDRESS, PATH, TITLE, layout, register, title, validation_layout

__all__ = ["FOLLOWS_ADDRESS", "PATH", "TITLE", "layout", "register", "title", "validation_layout"]
