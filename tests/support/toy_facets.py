"""The program with a few facets more, each of them a row of the register and nothing else.

    python -m tests.support.toy_facets PATH < addresses

Makes a database at PATH, then prints as JSON what the case list, the page and the export have for each query
string, a line each. The folder of the tests has to be on Python's path.
"""

# ruff: noqa: E402  the register has its rows before anything is made of it
import json
import sys
from pathlib import Path

from sqlalchemy import case, select

from db import facet_register
from db.facet_type import Facet, Group, Kind
from db.tables.cases import attack_pixels, attacks, cases
from db.tables.samples import samples

HALF = case((attack_pixels.c.row < 16, "upper"), (attack_pixels.c.row >= 16, "lower"))
LABEL = select(samples.c.label).where(samples.c.id == cases.c.sample_id).scalar_subquery()

facet_register.FACETS = (
    *facet_register.FACETS,
    # Of columns that are there.
    Facet("row", "Attacked row", Kind.NUMBER, Group.ATTACK, column="row", sort=("row",)),
    Facet("alarm", "Alarm", Kind.YES_NO, Group.DECISION, column="alarm", of_detector=True),
    # Of columns that are made from the register, one of each kind.
    Facet(
        "half", "Half", Kind.TEXT, Group.ATTACK, column="half", value=HALF, counted=True, hint="Of the image"
    ),
    Facet(
        "wrong",
        "Classified wrongly",
        Kind.YES_NO,
        Group.CASE,
        column="wrong",
        value=cases.c.predicted_class != cases.c.true_class,
        counted=True,
    ),
    Facet("label", "Label", Kind.CLASS, Group.CASE, column="sample_label", value=LABEL, counted=True),
    Facet(
        "margin", "Margin", Kind.RANGE, Group.COST, column="margin", value=attacks.c.margin, sort=("margin",)
    ),
)

from test_app import routed, text_of

import db.engine
import db.read
from dashapp import ids
from dashapp.app import create_app
from db.soundness.contradictions import CONTRADICTIONS
from tests.support import database


def main(path: Path, searches: list[str]) -> None:
    engine = db.engine.create(path)
    database.fill(engine, per_group=8, references=60)
    with engine.connect() as connection:
        wrong = [
            what for what, count in CONTRADICTIONS.items() if "lists" in what and connection.scalar(count)
        ]
    assert not wrong, wrong
    app = create_app(engine)
    for search in searches:
        query, options = db.read.case_query(engine, search)
        listed = db.read.list_cases(engine, query, options)
        page = routed(app, "/", search)[ids.PAGE]["children"]
        answer = {
            "search": query.search(),
            "ids": [row.id for row in listed.rows],
            "counts": listed.facets,
            "extents": listed.extents,
            "page": text_of(page),
            "html": json.dumps(page),
            "csv": app.server.test_client().get(f"/export/cases.csv{search}").text,
        }
        print(json.dumps(answer))
    engine.dispose()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.stdin.read().splitlines())
