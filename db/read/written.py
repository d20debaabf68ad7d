"""A SELECT as text that people can read, change and run."""

import re

from sqlalchemy import Dialect

from db.query_types import AnySelect

BREAKS = ((r" (LEFT OUTER JOIN|JOIN|ORDER BY) ", r"\n\1 "), (r" AND (?=[a-z(])", r"\n    AND "))


def written(query: AnySelect, dialect: Dialect) -> str:
    """The query with its values in it; each clause on a line of its own."""
    text = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    if dialect.paramstyle in ("format", "pyformat"):
        text = text.replace("%%", "%")  # doubled for a driver that fills in values
    text = re.sub(r"\s*\n\s*", "\n", text).strip()
    for pattern, replacement in BREAKS:
        text = re.sub(pattern, replacement, text)
    return text + "\n"
