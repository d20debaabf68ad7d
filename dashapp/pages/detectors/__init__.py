"""The page of the detectors, `/detectors`."""

from dashapp.pages.detectors.page import PATH, TITLE, layout, register, validation_layout

__all__ = ["PATH", "TITLE", "layout", "register", "validation_layout"]
