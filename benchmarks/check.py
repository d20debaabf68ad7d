"""Images a second that `xpixels check` judges, and how often its screened repair sweep agrees with the whole.

    python -m benchmarks.check DATABASE [--images N]

A tuned database of the bundled network; with the full CIFAR-10 as its reference set it is as large as it
gets. Test images of the bundled sample. Rates are of the steady state, once everything is loaded and
compiled; what that takes is told apart. Beside the rate by the clock stands what the processor time would
give on two cores that nobody else uses. Whole sweeps are those that the database has of its cases (table
repairs).
"""

import argparse
import resource
import time

import numpy as np
from sqlalchemy import select

from benchmarks.attack import correct_images
from db import engine, migrate
from db.read.for_ingest.detectors import known_networks
from db.schema import cases, images, repairs
from db.scope import Scope
from ingest.check.command import CHUNK, evenly, ready
from model import devices
from model.data.png import decode_png
from model.detectors.repair_screen import screened_stream
from model.network import checkpoint

ALL = {"detector": None, "metric": "euclidean", "rule": "total", "all_pixels": False, "keep": False}


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def agreement(database, function, scope: Scope) -> None:
    query = (
        select(repairs, images.c.png, cases.c.kind)
        .join(images, images.c.id == repairs.c.image_id)
        .outerjoin(cases, (cases.c.image_id == images.c.id) & scope.of(cases))
        .where(scope.of(repairs))
    )
    with database.connect() as connection:
        whole = connection.execute(query).all()
    if not whole:
        print("no whole repair sweeps in this database to compare with")
        return
    pictures = np.stack([decode_png(row.png) for row in whole])
    found = [part for _, part in screened_stream(function, pictures)]
    scores, places, classes = (
        np.concatenate([getattr(part, name) for part in found])
        for name in ("scores", "positions", "recovered")
    )
    wanted = np.array([(row.score, row.row, row.column, row.recovered_class) for row in whole])
    attacked = np.array([row.kind == "adversarial" for row in whole])
    for name, some in (("adversarial", attacked), ("other", ~attacked)):
        place = (places[some] == wanted[some, 1:3]).all(1)
        off = np.abs(scores[some] - wanted[some, 0])
        other = (scores[some] > 0) != (wanted[some, 0] > 0)
        print(
            f"screened repair, {some.sum()} {name} images: place {100 * place.mean():.1f} %, "
            f"class {100 * (classes[some] == wanted[some, 3]).mean():.1f} % as in the whole sweep; "
            f"score off by at most {off.max():.3f} logits; another answer to whether repairing changes "
            f"the prediction in {other.sum()}"
        )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("database")
    parser.add_argument("--images", type=int, default=200)
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    devices.use_all_cores()
    database = engine.create(options.database, read_only=True)
    migrate.require_current(database)
    loaded = checkpoint.load()
    with database.connect() as connection:
        network = [one for one in known_networks(connection) if one.sha256 == loaded.sha256][-1]
    checker = ready(database, network, loaded, argparse.Namespace(**ALL), few=False)
    pictures = correct_images(loaded.network, options.images)[0]
    loading = time.perf_counter() - began
    first = next(evenly(pictures, CHUNK))
    began = time.perf_counter()
    checker.judge(first)
    compiling = time.perf_counter() - began
    began, used = time.perf_counter(), processor_seconds()
    for some in evenly(pictures, CHUNK):
        checker.judge(some)
    seconds, used = time.perf_counter() - began, processor_seconds() - used
    asked = ", ".join(one.name for one in checker.detectors)
    print(f"reference set of {len(checker.reference.labels):,}; {asked}")
    print(f"ready after {loading:.1f} s; the first {len(first)} images, with compiling, in {compiling:.1f} s")
    print(
        f"steady: {len(pictures)} images, {len(pictures) / seconds:.1f}/s; by processor time on two cores "
        f"{2 * len(pictures) / used:.1f}/s"
    )
    agreement(database, checker.function, network.scope)


if __name__ == "__main__":
    main()
