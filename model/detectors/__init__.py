"""Detectors: what gives an image a score by which attacked images can be told from others."""
