"""The options of `xpixels check`, and which of them contradict each other."""

from __future__ import annotations

import argparse
import sys

from db.vocabulary import METRIC, METRICS, RULE, RULES
from model.data.pictures.files import STANDARD_INPUT
from model.data.pictures.sizes import RESIZES

EPILOG = """\
The verdict of an image is an alarm when a detector that counts alarms: every tuned layer of the k-NN defense,
conv layers and composed-scaled included, and the repair sweep; with --detector, those that are named. The
others are there to compare: the baselines confidence and logit-margin, composed-pooled, and layers without
near-duplicates and hubs, as dense-distinct. A conv layer's reference set is computed anew for each 256
images: where that takes too long, name the other detectors.

Images are PNG, JPEG, WebP, BMP or TIFF, told by their content, and read as people see them: turned as EXIF
says, converted to sRGB from an embedded color profile, gray and palettes made RGB. Each of these is said.
Refused are transparency, animations, several pages, more than 8 bits a channel, CMYK without a profile, a
gamma or primaries that are not sRGB's, and pixels that are not square. A network of gray images takes images
with equal red, green and blue in every pixel, and refuses others. Without --resize an image has to be as
large as the network wants it. With it, a side that shrinks becomes the mean of what each new pixel covers
(Pillow's BOX), and one that grows is interpolated (BICUBIC).

Exit status: 0 no alarm; 3 an alarm; 1 an image could not be judged, whatever was said of the others, or
another failure; 2 wrong usage.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options: what to judge, and by which detectors."""
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, EPILOG
    add = parser.add_argument
    add(
        "images",
        nargs="*",
        metavar="IMAGE",
        help="image files, folders with some at any depth, and - for one on standard input",
    )
    add(
        "--resize",
        choices=RESIZES,
        help="take images of any size: "
        + "; ".join(f"{name}: {what}" for name, what in RESIZES.items())
        + " (default: refuse other sizes)",
    )
    add("--json", action="store_true", help="print a list of objects, one per image, for other programs")
    add(
        "--keep",
        action="store_true",
        help="add the images to the database as cases of the partition checked, with their names and the "
        "repair sweep that an ingest makes: up to 64 x 64 pixels of all of them, as with --all-pixels",
    )
    add(
        "--forget",
        action="store_true",
        help="remove the cases that were kept of these images, or of all kept images if none is named",
    )
    add("--yes", action="store_true", help="with --forget: do not ask for confirmation")
    add(
        "--detector",
        action="append",
        metavar="NAME",
        help="use only this detector: a layer such as dense, repair, confidence or logit-margin; repeat for "
        "several (default: all that are tuned)",
    )
    add(
        "--metric",
        default=METRIC,
        choices=METRICS,
        help="distance of the neighbors (default: %(default)s)",
    )
    add("--rule", default=RULE, choices=RULES, help="which neighbors are counted (default: %(default)s)")
    add(
        "--all-pixels",
        action="store_true",
        help="repair every pixel, not only the most promising ones: exact, but slower; above 64 x 64 pixels "
        "an ingest, too, repairs these alone",
    )
    add(
        "--network",
        metavar="NAME|FILE|FUNCTION",
        help="the network that judges: its name, id, or NAME@DATASET in the database; or a stored network, a "
        "file, or a function, as of an ingest (default: the bundled one, or the only one)",
    )
    add(
        "--dataset",
        metavar="NAME",
        help="data set whose reference set and tuning judge; needed if the network is tuned on several "
        "(default: the only one)",
    )
    add("--weights", metavar="FILE", help=argparse.SUPPRESS)  # of a network that --network names


def check_together(options: argparse.Namespace) -> None:
    """End with status 2 for options that contradict each other."""
    complain = options.usage_error
    if not options.images and not options.forget:
        complain("the following arguments are required: IMAGE")
    if options.yes and not options.forget:
        complain("--yes answers --forget, which is not given")
    if options.forget and (options.keep or options.json):
        complain("--forget removes cases and judges nothing: it takes neither --keep nor --json")
    if options.images.count(STANDARD_INPUT) > 1:
        complain("-: standard input is one image, named once")
    if STANDARD_INPUT in options.images and sys.stdin is not None and sys.stdin.isatty():
        complain("-: standard input is a terminal, expected an image from a pipe or a file")
