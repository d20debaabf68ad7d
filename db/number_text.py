"""Numbers as text for people, and pairs of numbers with enough digits to see which one is larger."""

from collections.abc import Callable

MOST_DIGITS = 17  # after the point: enough to distinguish any two floats in [0, 1]


def percent(share: float, space: str = " ") -> str:
    """A share in [0, 1] as a percentage that never rounds to a false 0 % or 100 %."""
    if 0 < share < 0.001:
        return f"<{space}0.1{space}%"
    if 0.999 < share < 1:
        return f">{space}99.9{space}%"
    return f"{100 * share:.1f}{space}%"


def percents_apart(share: float, other: float, space: str = " ") -> tuple[str, str]:
    """Two shares as percentages, with more digits where fewer would make them look alike."""
    short = percent(share, space), percent(other, space)
    if short[0] != short[1]:
        return short
    return digits_apart(share, other, lambda value, digits: f"{100 * value:.{digits}f}{space}%", 2)


def digits_apart(
    value: float, other: float, write: Callable[[float, int], str], digits: int
) -> tuple[str, str]:
    """Two numbers written by `write` with so many digits, or with more where they would look alike."""
    texts = write(value, digits), write(other, digits)
    while value != other and texts[0] == texts[1] and digits < MOST_DIGITS:
        digits += 1
        texts = write(value, digits), write(other, digits)
    return texts
