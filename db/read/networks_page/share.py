"""A share of counted images with its 95 % interval."""

from math import sqrt

from db.read.detector_page.evidence import Measure

Z = 1.959963984540054  # of the normal distribution, for 95 %


def measured_share(part: int, whole: int) -> Measure | None:
    """A share with its Wilson interval (Wilson 1927), which holds for few images and for none or all of them.

    None: there is nothing to take a share of.
    """
    if whole == 0:
        return None
    share = part / whole
    center = (share + Z * Z / (2 * whole)) / (1 + Z * Z / whole)
    half = Z * sqrt(share * (1 - share) / whole + Z * Z / (4 * whole * whole)) / (1 + Z * Z / whole)
    low, high = max(0.0, center - half), min(1.0, center + half)
    return Measure(share, 0.0 if part == 0 else low, 1.0 if part == whole else high)
