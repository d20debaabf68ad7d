"""`ingest.record` is the only part of `ingest` that makes rows of samples, cases, scores and activations."""

import ast

import pytest

from db import schema, write
from db.engine import writing
from tests.support import small_database
from tests.support.sole_writer import RECORD, RECORDED, ROOT

INSERTING = {"insert_missing", "ensure", "insert", "insert_many", "insert_or_skip", "from_select"}
TAKING_TABLES = {"insert_missing", "ensure", "insert_many", "insert_or_skip"}


def written_tables(source: str) -> list[str]:
    """The tables that calls in a piece of source insert into, as they are named there.

    A table that a call does not name plainly, as in `write.insert_missing(connection, TABLES[i], rows)`, is
    given as it is written: which it is, the source does not say.
    """
    found = []
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        function = call.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name not in INSERTING:
            continue
        operands = [*call.args, *(keyword.value for keyword in call.keywords)]
        if isinstance(function, ast.Attribute):
            operands.append(function.value)
        named = [node for part in operands for node in ast.walk(part)]
        tables = {getattr(node, "id", getattr(node, "attr", None)) for node in named}
        tables &= schema.metadata.tables.keys()
        if name in TAKING_TABLES and not tables:
            found.append(ast.unparse(call))
        found += sorted(tables)
    return found


def test_no_other_file_of_ingest_inserts_into_what_is_recorded():
    found = {}
    for path in (ROOT / "ingest").rglob("*.py"):
        if not path.is_relative_to(RECORD):
            tables = set(written_tables(path.read_text()))
            if tables - (schema.metadata.tables.keys() - RECORDED):
                found[path.relative_to(ROOT).as_posix()] = tables
    assert found == {}


def test_every_recorded_table_is_written_by_record():
    tables = {name for path in RECORD.glob("*.py") for name in written_tables(path.read_text())}
    by_argument = {"case_activations", "original_activations", "reference_activations"}
    assert tables | by_argument >= RECORDED
    assert schema.metadata.tables.keys() >= RECORDED


@pytest.mark.parametrize(
    ("source", "tables"),
    [
        ("write.insert_missing(connection, cases, new)", ["cases"]),
        ("write.insert_missing(connection, schema.cases, new)", ["cases"]),
        ("write.ensure(connection, datasets, {}, facts)", ["datasets"]),
        ("connection.execute(insert(class_scores), rows)", ["class_scores"]),
        ("connection.execute(schema.samples.insert(), rows)", ["samples"]),
        ("insert_missing(connection, table=images, rows=rows)", ["images"]),
        (
            "write.insert_missing(connection, TABLES[0], new)",
            ["write.insert_missing(connection, TABLES[0], new)"],
        ),
        ("sys.argv.insert(1, 'ingest')", []),
        ("select(cases.c.id)", []),
    ],
)
def test_what_writes_is_seen(source, tables):
    assert written_tables(source) == tables


def test_a_row_that_others_write_fails_the_test(fresh):
    image = dict(small_database.ROWS["images"][0])
    code = "def write_elsewhere(c): write.insert_missing(c, table, rows)"
    around = {"write": write, "table": schema.images, "rows": [image]}
    for place, allowed in (("ingest/stages/new.py", False), ("ingest/record/new.py", True)):
        exec(compile(code, str(ROOT / place), "exec"), around)
        with writing(fresh()) as connection:
            if allowed:
                around["write_elsewhere"](connection)
            else:
                with pytest.raises(AssertionError, match=f"a row of images written by {place}"):
                    around["write_elsewhere"](connection)
