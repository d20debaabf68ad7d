"""A facet is one row in the register: a program that has a few more finds them wherever facets are.

Of the tables as the register makes them; that a migration makes them alike, tests/test_migrations.py shows.
"""

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from db.facet_register import FACETS
from db.facet_type import Kind

TESTS = Path(__file__).parent
SEARCHES = {  # query string -> the same in SQL
    "?partition=all": "1 = 1",
    "?partition=all&half=upper": 'attack_pixels."row" < 16',
    "?half=upper&half=lower&label=cat&label=dog": "partition = 'validation' AND kind = 'adversarial' "
    "AND samples.label IN (3, 5)",
    "?partition=all&wrong=no&sort=-row": "cases.predicted_class = cases.true_class",
    "?partition=all&row=4&wrong=yes": 'attack_pixels."row" = 4',  # each attack of it fools the network
    "?detector=dense&alarm=yes": "partition = 'validation' AND cases.id IN "
    "(SELECT case_id FROM detector_decisions WHERE detector = 'dense' AND alarm)",
    "?partition=all&margin=0.1..0.9&sort=-row": "attacks.margin BETWEEN 0.1 AND 0.9",
}
JOINED = """FROM cases JOIN samples ON samples.id = cases.sample_id
    LEFT JOIN attacks ON attacks.id = cases.attack_id
    LEFT JOIN attack_pixels ON attack_pixels.attack_id = cases.attack_id AND attack_pixels.pixel = 0"""
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
VALUES = {  # facet -> its value in SQL, from the tables that it follows from
    "half": """CASE WHEN attack_pixels."row" < 16 THEN 'upper' ELSE 'lower' END""",
    "row": 'CAST(attack_pixels."row" AS TEXT)',
    "wrong": "CASE WHEN cases.predicted_class <> cases.true_class THEN 'yes' ELSE 'no' END",
    "label": "CAST(samples.label AS TEXT)",
}


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """What the program with toy facets has for each query string, and its database."""
    path = tmp_path_factory.mktemp("toys") / "toys.db"
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    result = subprocess.run(
        [sys.executable, "-m", "tests.support.toy_facets", path],
        input="\n".join(SEARCHES),
        env=environment,
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    lists = dict(zip(SEARCHES, map(json.loads, result.stdout.splitlines()), strict=True))
    with sqlite3.connect(path) as connection:
        yield lists, connection
    connection.close()


@pytest.mark.parametrize("search", SEARCHES)
def test_a_toy_facet_filters_the_list_and_the_export_as_sql_does(toys, search):
    lists, connection = toys
    found = lists[search]
    wanted = [id_ for (id_,) in connection.execute(f"SELECT cases.id {JOINED} WHERE {SEARCHES[search]}")]
    assert wanted
    assert sorted(found["ids"]) == wanted
    rows = list(csv.DictReader(io.StringIO(found["csv"])))
    assert [int(row["case_id"]) for row in rows] == found["ids"]
    if "sort=-row" in search:
        attacked = [int(row["attacked_row"] or -1) for row in rows]
        assert attacked == sorted(attacked, reverse=True)


@pytest.mark.parametrize("search", ["?partition=all", "?partition=all&margin=0.1..0.9&sort=-row"])
@pytest.mark.parametrize("name", VALUES)
def test_a_toy_facet_is_counted_in_the_cells_or_case_by_case(toys, search, name):
    lists, connection = toys
    query = f"SELECT {VALUES[name]}, COUNT(*) {JOINED} WHERE {SEARCHES[search]}"
    if name in ("half", "row"):
        query += " AND cases.attack_id IS NOT NULL"
    wanted = dict(connection.execute(query + " GROUP BY 1"))
    if name == "label":
        wanted = {CLASSES[int(number)]: n for number, n in wanted.items()}
    counts = lists[search]["counts"][name]
    assert {value: n for value, n in counts.items() if n} == wanted


def test_a_toy_facet_survives_in_an_address_and_stands_on_the_page(toys):
    lists, _ = toys
    for search, found in lists.items():
        written, _, _ = found["search"].partition("&sort")
        assert set(written[1:].split("&")) == set(search.partition("&sort")[0][1:].split("&"))
    page = " ".join(lists["?partition=all"]["page"].split())
    for section in ("Classified wrongly yes 17 no 15", "Half lower 7 upper 9", "Attacked row 0 1", "Margin"):
        assert section in page
    html = lists["?partition=all&half=upper"]["html"]
    assert "facet facet-half" in html
    assert "Remove the filter half upper" in html
    assert lists["?partition=all"]["extents"]["margin"] == [0.5, 0.5]


def test_a_toy_facet_is_a_column_of_the_export_and_a_class_has_its_name(toys):
    lists, connection = toys
    rows = list(csv.DictReader(io.StringIO(lists["?partition=all"]["csv"])))
    columns = ["row", "half", "wrong", "label", "margin", "verdict", "tags", "note"]
    assert list(rows[0])[-len(columns) :] == columns
    labels = dict(connection.execute(f"SELECT cases.id, samples.label {JOINED}"))
    for row in rows:
        assert row["label"] == CLASSES[labels[int(row["case_id"])]]
        assert row["row"] == row["attacked_row"]
        assert row["wrong"] == str(int(row["true_class"] != row["predicted_class"]))


def test_every_facet_has_a_name_and_a_column_of_its_own():
    for values in ([facet.name for facet in FACETS], [name for facet in FACETS for name in facet.columns]):
        assert len(set(values)) == len(values)
    for facet in FACETS:
        assert facet.title
        assert bool(facet.column) == (not facet.is_written and facet.kind is not Kind.PLACE), facet.name
        assert facet.value is None or not facet.of_detector, facet.name
