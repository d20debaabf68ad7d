"""The file formats for rows, called forms: each is a function of columns and rows that gives bytes in pieces.

    for piece in FORMS["csv"].pieces(columns, chunks):
        file.write(piece)

The bytes are the same for every kind of database: db.forms.text and db.forms.parquet define how each kind of
value is written.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from db.forms.columns import Chunks, Column, as_stored, declared_columns, stored_values
from db.forms.parquet import parquet_pieces
from db.forms.text import csv_pieces, json_document, json_line_pieces, json_pieces, json_text

__all__ = [
    "FORMS",
    "Chunks",
    "Column",
    "Form",
    "as_stored",
    "csv_pieces",
    "declared_columns",
    "json_document",
    "json_line_pieces",
    "json_pieces",
    "json_text",
    "parquet_pieces",
    "stored_values",
]


class Form(NamedTuple):
    """A form; its name is the ending of its files."""

    help: str
    pieces: Callable[[Sequence[Column], Chunks], Iterator[bytes]]
    is_text: bool = True


FORMS = {
    "csv": Form("comma-separated values", csv_pieces),
    "json": Form("a list of objects", json_pieces),
    "jsonl": Form("an object a line", json_line_pieces),
    "parquet": Form("Parquet, a type for every column", parquet_pieces, is_text=False),
}
