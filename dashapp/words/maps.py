"""Plain sentences for the maps over the images and for a layer's maps."""

from collections.abc import Sequence

import numpy as np

from dashapp.words.detectors import margin

NAMED = 8  # classes of a sentence
POINT = "Point at a position for its numbers."
BRIGHTEST = "all on one scale, brightest first; the number is the channel, then its mean"
CHANGED = "attacked minus original, the largest change first; the number is the channel, then its mean change"
NOT_ATTACKED = "This image was not attacked: there is no other to compare with."
NO_ACTIVATIONS = (
    "The maps of this layer are not stored for this case. Run “xpixels ingest” and reload this page."
)
NO_ORIGINAL = (
    "The maps of the image before the attack are not stored. Run “xpixels ingest”, which adds them, and "
    "reload this page."
)


def missing_sentence(what: str) -> str:
    """Which map is missing in the database, and the command that adds it."""
    return f"There is no {what} of this image. Run “xpixels ingest”, without --no-maps, and reload this page."


def vulnerability_sentences(
    *,
    margins: np.ndarray,
    classes: np.ndarray,
    levels: int,
    true: str,
    names: Sequence[str],
    attacked: bool,
    channels: int = 3,
    stride: int = 1,
) -> list[str]:
    """What the vulnerability map means, and what it shows for this image.

    Args:
        margins: (H, W), the lead of the best other class over the true one, in logits.
        classes: (H, W), that class.
        levels: levels per channel of the colors that were tried.
        true: name of the true class.
        names: of the classes.
        attacked: whether the case shows an attacked image; the map is of the original then.
        channels: 3, or 1 if grays were tried.
        stride: of the rows and columns that were tried.
    """
    colors = _colors_tried(levels, channels)
    where = "At each position of the original" if attacked else "At each position"
    if stride > 1:
        where += f" that was tried, one in {stride} rows and columns"
    meaning = (
        f"{where}: by how many logits another class leads {true} when that pixel gets the best of {colors}. "
        "Above 0, in orange, that fools the network."
    )
    fooled = margins > 0
    count = int(fooled.sum())
    if not count:
        return [
            meaning,
            f"No position fools it: the nearest stays {margin(-float(margins.max()))} behind {true}.",
        ]
    reached = [names[index] for index in np.unique(classes[fooled])]
    positions = "position fools it" if count == 1 else "positions fool it"
    return [meaning, f"{count:,} of {margins.size:,} {positions}, towards {_listed(reached)}."]


def _colors_tried(levels: int, channels: int) -> str:
    if channels == 1:
        return "black and white" if levels == 2 else f"{levels} grays"
    return "8 corner colors" if levels == 2 else f"{levels**3:,} colors"


def repair_sentences(
    *,
    margins: np.ndarray,
    classes: np.ndarray,
    predicted: str,
    names: Sequence[str],
    before: np.ndarray | None,
) -> list[str]:
    """What the repair map means, and what it shows for this image.

    Args:
        margins: (H, W), the lead of the best other class over the predicted one, in logits.
        classes: (H, W), that class.
        predicted: name of the predicted class.
        names: of the classes.
        before: (H, W), the margins of the image before its attack; None: it was not attacked, or not known.
    """
    meaning = (
        f"At each position: by how many logits another class leads {predicted} when that pixel becomes the "
        "median of its neighbors. Above 0, in orange, that changes the answer."
    )
    row, column = np.unravel_index(int(margins.argmax()), margins.shape)
    other = names[int(classes[row, column])]
    said = f"The highest margin is {margin(float(margins.max()))} at row {row}, column {column}, for {other}"
    if before is not None:
        said += f"; before the attack it was {margin(float(before.max()))}"
    return [meaning, f"{said}."]


def joined_sentence(joined: int) -> str:
    """How a large map is drawn: each square is the highest of several positions."""
    return f"Each square is the highest of {joined} × {joined} positions."


def channels_title(layer: str, count: int) -> str:
    """Heading of a conv layer's maps."""
    return f"The {count} maps of {layer}"


def _listed(names: Sequence[str]) -> str:
    if len(names) > NAMED + 1:
        return f"{', '.join(names[:NAMED])} and {len(names) - NAMED:,} more classes"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
