"""Each kind of value has one form in CSV, JSON and Parquet."""

import csv
import io
import json
from math import inf, nan

import pyarrow.parquet
import pytest

from db.forms import FORMS, Column, csv_pieces, declared_columns, json_document
from db.schema import layers

# Of a value: the kind that is declared, and its forms.
VALUES = {
    "null": (None, str, "", None, None),
    "true": (True, bool, "1", 1, True),
    "one, declared as a truth value": (1, bool, "1", 1, True),
    "false": (False, bool, "0", 0, False),
    "whole": (-(2**63), int, "-9223372036854775808", -(2**63), -(2**63)),
    "float": (0.1, float, "0.1", 0.1, 0.1),
    "float without fraction": (2.0, float, "2.0", 2.0, 2.0),
    "whole, declared as a float": (2, float, "2.0", 2.0, 2.0),
    "small float": (5e-324, float, "5e-324", 5e-324, 5e-324),
    "large float": (1e22, float, "1e+22", 1e22, 1e22),
    "text": ("a,b", str, '"a,b"', "a,b", "a,b"),
    "quotes": ('say "é"', str, '"say ""é"""', 'say "é"', 'say "é"'),
    "lines": ("a\nb", str, '"a\nb"', "a\nb", "a\nb"),
    "return": ("a\rb", str, '"a\rb"', "a\rb", "a\rb"),
    "formula": ("=1+1", str, "=1+1", "=1+1", "=1+1"),
    "json": ('{"é": [1, null]}', str, '"{""é"": [1, null]}"', '{"é": [1, null]}', '{"é": [1, null]}'),
    "blob": (b"\x00\xff", bytes, "AP8=", {"$base64": True, "encoded": "AP8="}, b"\x00\xff"),
    "no blob": (b"", bytes, "", {"$base64": True, "encoded": ""}, b""),
}


def whole(form: str, columns: list[Column], *chunks) -> bytes:
    return b"".join(FORMS[form].pieces(columns, chunks))


def same(one, other) -> bool:
    return (repr(one), type(one)) == (repr(other), type(other))


@pytest.mark.parametrize("name", VALUES)
def test_a_value_has_its_form(name):
    value, kind, in_csv, in_json, in_parquet = VALUES[name]
    columns, rows = [Column("v", kind), Column("w", int)], [(value, 7)]
    assert whole("csv", columns, rows).decode() == f"v,w\n{in_csv},7\n"
    (record,) = json.loads(whole("json", columns, rows))
    assert same(record["v"], in_json)
    assert json.loads(whole("jsonl", columns, rows)) == record
    (record,) = pyarrow.parquet.read_table(io.BytesIO(whole("parquet", columns, rows))).to_pylist()
    assert same(record["v"], in_parquet)


@pytest.mark.parametrize("form", FORMS)
def test_zero_has_no_sign_as_not_every_database_keeps_it(form):
    columns = [Column("v", float)]
    assert whole(form, columns, [(-0.0,)]) == whole(form, columns, [(0.0,)])


def test_numbers_that_are_not_finite_are_words_in_csv_and_themselves_in_parquet():
    columns, rows = [Column("v", float)], [(inf,), (-inf,), (nan,)]
    assert whole("csv", columns, rows) == b"v\nInfinity\n-Infinity\nNaN\n"
    table = pyarrow.parquet.read_table(io.BytesIO(whole("parquet", columns, rows)))
    assert repr(table["v"].to_pylist()) == "[inf, -inf, nan]"
    for form in ("json", "jsonl"):
        with pytest.raises(ValueError, match="infinite numbers: row 1 has one; CSV and Parquet do"):
            whole(form, columns, rows)
    with pytest.raises(ValueError, match="JSON"):
        json_document({"a": [inf]})


@pytest.mark.parametrize("form", FORMS)
def test_rows_that_come_in_parts_give_the_same_bytes_as_those_that_come_at_once(form):
    columns = [Column("i", int), Column("t", str)]
    rows = [(i, str(i)) for i in range(10)]
    at_once = whole(form, columns, rows)
    assert whole(form, columns, rows[:3], [], rows[3:]) == at_once
    assert whole(form, columns) == whole(form, columns, [])


def test_an_answer_without_rows_is_whole():
    columns = [Column("a", int), Column("b", str)]
    assert whole("csv", columns) == b"a,b\n"
    assert whole("json", columns) == b"[]\n"
    assert whole("jsonl", columns) == b""
    table = pyarrow.parquet.read_table(io.BytesIO(whole("parquet", columns)))
    assert (table.num_rows, table.schema.names) == (0, ["a", "b"])


def test_much_is_written_in_several_groups_of_rows():
    rows = [(bytes([i]) * (1 << 20),) for i in range(40)]
    pieces = list(FORMS["parquet"].pieces([Column("blob", bytes)], ([row] for row in rows)))
    assert len(pieces) > 2  # so that a large table is never held whole
    file = pyarrow.parquet.ParquetFile(io.BytesIO(b"".join(pieces)))
    assert file.metadata.num_row_groups == 3
    assert [one["blob"] for one in file.read().to_pylist()] == [row[0] for row in rows]


@pytest.mark.parametrize("form", ["json", "jsonl", "parquet"])
def test_two_columns_of_one_name_are_refused_where_they_would_be_one(form):
    with pytest.raises(ValueError, match="Two columns are called a: tell them apart with AS"):
        whole(form, [Column("a"), Column("a")], [(1, 2)])


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([1, None, 2], "int64"),
        ([None, 0.5], "double"),
        ([1, 0.5, None], "double"),
        (["a", None], "string"),
        ([b"a"], "binary"),
        ([None, None], "string"),
        ([], "string"),
    ],
)
def test_parquet_tells_a_statements_column_by_its_values(values, type_):
    table = pyarrow.parquet.read_table(
        io.BytesIO(whole("parquet", [Column("v")], [(value,) for value in values]))
    )
    assert str(table.schema.field("v").type) == type_
    assert table["v"].to_pylist() == values


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1, "a"], "v holds values of int and str: CAST it"),
        ([b"a", "a"], "v holds values of bytes and str"),
        ([2**53 + 1, 0.5], "v holds values of float and int"),
        ([2**63], "v holds what is no int64"),
    ],
)
def test_parquet_refuses_a_column_that_has_no_one_type(values, said):
    with pytest.raises(ValueError, match=said):
        whole("parquet", [Column("v")], [(value,) for value in values])


def test_a_type_that_no_database_gives_is_refused_and_not_written_as_python_has_it():
    for form in FORMS:
        with pytest.raises(ValueError, match="set"):
            whole(form, [Column("v")], [({1},)])


def test_csv_for_spreadsheets_defuses_texts_alone():
    columns = [Column(name) for name in "abcd"]
    rows = [("=1+1", -1, -inf, "plain")]
    assert b"".join(csv_pieces(columns, [rows], for_spreadsheets=True)) == (
        b"a,b,c,d\r\n'=1+1,-1,-Infinity,plain\r\n"
    )


def test_csv_is_read_back_by_a_reader_of_rfc_4180():
    texts = ["a\rb", "a\r\nb", '"', ",", " a ", "", "ü🦌"]
    text = whole("csv", [Column("i", int), Column("t", str)], list(enumerate(texts))).decode()
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert [row[1] for row in read[1:]] == texts


def test_json_columns_are_declared_as_text():
    kinds = {column.name: column.kind for column in declared_columns(layers)}
    assert (kinds["shape"], kinds["compared"], kinds["position"]) == (str, bool, int)
