"""How large an image is shown: small ones enlarged by whole factors, so that pixels stay square; pure."""

from typing import NamedTuple


class Shown(NamedTuple):
    """The size of an image on a page, in CSS pixels."""

    width: int
    height: int
    crisp: bool  # enlarged or as it is: without smoothing

    @property
    def class_name(self) -> str:
        """The class of its element."""
        return "pixels" if self.crisp else "smooth"


def fitted(height: int, width: int, box: int) -> Shown:
    """An image in a square of `box` pixels: the largest whole factor, or shrunk if it is larger."""
    longest = max(height, width)
    if longest <= box:
        factor = box // longest
        return Shown(width * factor, height * factor, True)
    return Shown(max(1, round(width * box / longest)), max(1, round(height * box / longest)), False)


def whole_factor(height: int, width: int, about: int) -> int:
    """The factor, at least 1, that brings an image's longest side nearest to `about` pixels."""
    return max(1, round(about / max(height, width)))
