"""Draw which images are for training and which for testing, class by class."""

import numpy as np


def draw_split(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the training and of the test images, ascending, of labels (N,) int.

    share: of each class for training, rounded; a class of two images or more has at least one on each side,
        a single one is for training. The same labels, share and seed give the same places.
    """
    random = np.random.default_rng(seed)
    train = []
    for class_ in np.unique(labels):
        places = random.permutation(np.flatnonzero(labels == class_))
        count = min(max(1, round(share * len(places))), max(1, len(places) - 1))
        train.append(places[:count])
    chosen = np.zeros(len(labels), bool)
    chosen[np.concatenate(train)] = True
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)
