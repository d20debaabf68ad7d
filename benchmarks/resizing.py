"""What the network makes of images that were scaled and padded in several ways (`xpixels check --resize`).

    python -m benchmarks.resizing [--images N]

Test images of the bundled sample, right or wrong: enlarged eight times and scaled down again by each of
Pillow's filters; halved and enlarged again; without their first and last four rows, then padded, cropped or
stretched to their size. Beside the accuracy stands how many images the repair of one pixel changes the answer
of.
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from model import devices
from model.data import registry
from model.data.pictures.sizes import RESIZES, resize
from model.detectors.repair_screen import screened_stream
from model.network import checkpoint, cnn
from model.network.incremental_pass import fastest

FILTERS = ("NEAREST", "BOX", "BILINEAR", "BICUBIC", "LANCZOS")
ROWS = 4
PADDINGS = {
    "black": {"constant_values": 0},
    "gray": {"constant_values": 128},
    "white": {"constant_values": 255},
    "the last rows": {"mode": "edge"},
}
Change = Callable[[Image.Image], Image.Image | np.ndarray]


def ways() -> Iterator[tuple[str, Change]]:
    """Names, and functions from a picture of 32 x 32 pixels to another one."""
    filters = Image.Resampling
    yield "as they are", lambda picture: picture
    for name in FILTERS:
        yield (
            f"256 to 32 by {name}",
            lambda picture, name=name: picture.resize((256, 256), filters.BICUBIC).resize(
                (32, 32), filters[name]
            ),
        )
    for name in FILTERS:
        yield (
            f"16 to 32 by {name}",
            lambda picture, name=name: picture.resize((16, 16), filters.BOX).resize((32, 32), filters[name]),
        )
    for name, how in PADDINGS.items():
        yield (
            f"32 x 24 with {name}",
            lambda picture, how=how: np.pad(_cut(picture), ((ROWS, ROWS), (0, 0), (0, 0)), **how),
        )
    for name in RESIZES:
        yield (
            f"32 x 24 by {name}",
            lambda picture, name=name: resize(Image.fromarray(_cut(picture)), 32, 32, name).picture,
        )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=400)
    options = parser.parse_args(arguments)
    devices.use_all_cores()
    network, test = checkpoint.load().network, registry.load("cifar10-sample", "test")
    function = fastest(network)[0]
    pictures, labels = map(Image.fromarray, test.images[: options.images]), test.labels[: options.images]
    pictures = list(pictures)
    for name, change in ways():
        images = np.stack([np.asarray(change(picture)) for picture in pictures])
        right = cnn.predict(network, images).argmax(1) == labels
        scores = np.concatenate([found.scores for _, found in screened_stream(function, images)])
        print(
            f"{name:<24} {100 * right.mean():5.1f} % right, repair changes {100 * (scores > 0).mean():4.1f} %"
        )


def _cut(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture)[ROWS:-ROWS]


if __name__ == "__main__":
    main()
