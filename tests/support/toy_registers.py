"""A program with one more of everything, each put into its registers alone, before the rest is imported.

`python -m tests.support.toy_registers FOLDER WEIGHTS` ingests a batch of it and prints, as JSON, where it is
found.
"""

import io
import json
import shutil
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from db import vocabulary
from model.attacks import methods
from model.attacks.parameters import whole
from model.data import registry as data_sets
from model.detectors import metrics
from model.detectors import registry as detectors

NAME = "toy"  # of everything that is added
MIGRATION = """from migrations.checks import allow

revision = "9999"
down_revision = "{before}"
OLD = {old}


def upgrade() -> None:
    allow("metric", (*OLD, "toy"))


def downgrade() -> None:
    allow("metric", OLD)
"""


def rank_by_roots(differences: np.ndarray) -> np.ndarray:
    """The metric: sums (P,) of the roots of the absolute differences (P, D)."""
    return np.sqrt(np.abs(differences)).sum(axis=1)


def attack(function, images, labels, /, *, toy_tries, **same):
    """The attack: a short search, as it has to succeed."""
    from model.attacks.one_pixel import attack_stream

    yield from attack_stream(function, images, labels, population=48, generations=toy_tries, **same)


def score_by_runner_up(evidence: detectors.Evidence) -> detectors.Scores:
    """The detector: the second largest logit."""
    ordered = np.sort(evidence.logits.astype(float), axis=1)
    named = np.argsort(evidence.logits, axis=1)[:, -2]
    return detectors.Scores(ordered[:, -2], named, np.zeros(len(named)))


def load(split, cache_dir):
    """The data set: a part of the bundled sample."""
    from dataclasses import replace

    from tests.support import ingested_batch

    return replace(ingested_batch.load("cifar10-sample", split), name=NAME)


def add_to_registers() -> tuple[str, ...]:
    """One row each, or two: what is computed, and the words for people. Gives the metrics before."""
    old = tuple(vocabulary.METRICS)
    vocabulary.METRICS[NAME] = vocabulary.Metric(NAME, "the sum of the roots of the absolute differences")
    metrics.METRICS[NAME] = metrics.Metric(NAME, ranked=rank_by_roots)
    vocabulary.ATTACKS[NAME] = vocabulary.Attack(NAME, "toy attack", "a short search")
    methods.METHODS[NAME] = methods.Method(
        NAME,
        (whole("toy_tries", 2, "generations of the toy attack", 0),),
        variant=lambda values, shape: f"{values['toy_tries']} tries",
        population=lambda values, shape: 48,
        queries=lambda values, shape: 48 * (1 + values["toy_tries"]),
        load=lambda: attack,
    )
    vocabulary.DETECTORS[NAME] = vocabulary.Detector(
        NAME, "baseline", "toy detector", "toy", "Alarms when another class is near", "the toy's choice"
    )
    detectors.DETECTORS[NAME] = detectors.Detector(NAME, score_by_runner_up)
    sample = data_sets.DATASETS["cifar10-sample"]
    data_sets.DATASETS[NAME] = sample._replace(name=NAME, meaning="a part of it", load=load, fetch=None)
    return old


def add_migration(folder: Path, old: tuple[str, ...]) -> None:
    """The small migration of a metric, in a copy of the others."""
    from db import migrate

    copy = folder / "migrations"
    shutil.copytree(migrate.MIGRATIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = max(migrate._revisions())
    migrate.MIGRATIONS = copy
    (copy / "versions" / "9999_toy.py").write_text(MIGRATION.format(before=before, old=old), "utf-8")


def add_map() -> None:
    """A map over the images: that of the repair sweep, with a title of its own."""
    from dashapp.pages.case import map_register

    repair = map_register.MAPS["repair"]
    map_register.MAPS[NAME] = repair._replace(name=NAME, title="Toy map")


def add_page() -> None:
    """A page that says hello."""
    from dash import html

    import dashapp.app

    page = SimpleNamespace(
        PATH="/toy",
        TITLE="Toy page",
        layout=lambda app, engine, visit: html.P("hello from the toy"),
        register=lambda app, engine, writer: None,
    )
    dashapp.app.PAGES = (*dashapp.app.PAGES, page)


def look_at_pages(engine) -> dict[str, str]:
    """Address -> the text of what the router puts in place, as JSON."""
    import dashapp.app
    from dashapp.router import Visit, draw_page

    app = dashapp.app.create_app(engine)
    addresses = {
        "/": "?detector=toy&partition=all&method=toy",
        "/detectors": "?metric=toy",
        "/case/1": "?metric=toy&map=toy",
        "/toy": "",
    }
    drawn = {
        path: draw_page(app, engine, dashapp.app.PAGES, path, Visit(search))
        for path, search in addresses.items()
    }
    shell = app.layout() if callable(app.layout) else app.layout
    answers = {path: json.dumps(one.body.to_plotly_json(), default=as_json) for path, one in drawn.items()}
    return {**answers, "menu": json.dumps(shell.to_plotly_json(), default=as_json)}


def as_json(component):
    """A component as the browser gets it."""
    return component.to_plotly_json() if hasattr(component, "to_plotly_json") else str(component)


def say_options(command: str) -> str:
    """What `xpixels COMMAND --help` prints."""
    import xpixels

    with redirect_stdout(io.StringIO()) as said, suppress(SystemExit):
        xpixels.main([command, "--help"])
    return said.getvalue()


def main(folder: Path, weights: str) -> None:
    """Ingest, look, print."""
    old = add_to_registers()
    add_migration(folder, old)
    import xpixels
    from model import devices

    devices.use_all_cores = lambda *_: None  # as in the tests' process, where the same was compiled
    url = str(folder / "toy.db")
    batch = ("--dataset", NAME, "--attack", NAME, "--toy-tries", "3", "--metric", NAME, "--cases", "2")
    status = xpixels.main(["ingest", *batch, "--weights", weights, "--database", url])
    add_map()
    add_page()
    from db import engine as engines

    engine = engines.create(url, read_only=True)
    questions = {
        "attacks": "SELECT DISTINCT method, variant FROM attacks WHERE method = 'toy'",
        "metrics": "SELECT DISTINCT metric FROM neighbors",
        "detectors": "SELECT COUNT(*) FROM detector_decisions WHERE detector = 'toy'",
        "datasets": "SELECT name FROM datasets",
        "parameters": "SELECT parameters FROM batches",
    }
    with engine.connect() as connection:
        rows = {
            name: [list(row) for row in connection.exec_driver_sql(question)]
            for name, question in questions.items()
        }
    told = {command: say_options(command) for command in ("ingest", "check", "train")}
    sys.stdout.write(
        "\n" + json.dumps({"status": status, **rows, "pages": look_at_pages(engine), "options": told})
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
