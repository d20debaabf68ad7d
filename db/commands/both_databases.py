"""SQL that one database accepts and the other refuses, and what to write instead that both accept.

docs/sql.md, *The same on both databases*, has the whole list, also of what both accept and understand
differently.
"""

import re
from typing import NamedTuple


class Refusal(NamedTuple):
    """How a database refuses something, and what works on both."""

    words: str  # a regular expression for the database's message; the statement has its group `quoted`
    works: str


REFUSALS = (
    Refusal(r"function \w+\(boolean\) does not exist", "COUNT(*) FILTER (WHERE alarm)"),
    Refusal(
        r"operator does not exist: (boolean \S+ integer|integer \S+ boolean)", "WHERE alarm, WHERE NOT alarm"
    ),
    Refusal(
        r"operator for type json$|operator does not exist: (json \S+ \w+|\w+ \S+ json)$|function \w+\(json\)",
        "CAST(parameters AS TEXT)",
    ),
    Refusal(r"function json_\w+", "CAST(parameters ->> 'seed' AS INTEGER)"),
    Refusal(r"function round\(double precision, integer\)", "ROUND(CAST(auc AS NUMERIC), 3)"),
    Refusal(r"function ifnull\(", "COALESCE(seed, 0)"),
    Refusal(
        r"function (max|min)\(\w+, |no such function: (greatest|least)", "CASE WHEN a > b THEN a ELSE b END"
    ),
    Refusal(
        r"function group_concat\(|no such function: string_agg",
        "a row a value (lists are GROUP_CONCAT(name, ', ') on SQLite, STRING_AGG(name, ', ') on PostgreSQL)",
    ),
    Refusal(
        r"function (strftime|datetime|julianday)\(|no such function: (date_part|date_trunc|to_char|now)",
        "SUBSTR(started_at, 1, 10): times are text, 2026-01-31T12:00:00Z",
    ),
    Refusal(r"function instr\(|no such function: (strpos|position)", "name LIKE '%conv%'"),
    Refusal(r"operator does not exist: \w+ == ", "one = to compare"),
    Refusal(r"operator does not exist: integer \|\| integer", "a text on one side: name || ' ' || position"),
    Refusal(r'near "ilike"|near "~\*?"|at or near "(glob|regexp)"', "LOWER(name) LIKE 'dense%'"),
    Refusal(r'unrecognized token: ":"', "CAST(id AS TEXT)"),
    Refusal(r"LIMIT #,# syntax", "LIMIT 10 OFFSET 20"),
    Refusal(r'syntax error at or near "column"', 'the name in double quotes: "column"'),
    Refusal(r'^column (?P<quoted>"[^"]*") does not exist', "a text in single quotes, 'dense'"),
    Refusal(r"must appear in the GROUP BY clause", "GROUP BY every column that is not counted"),
    Refusal(r"subquery in FROM must have an alias", "FROM (SELECT ...) AS named"),
    Refusal(r"^division by zero", "NULLIF: attacks / NULLIF(images, 0)"),
)


def way_out(said: str, statement: str) -> str | None:
    """What works on both databases, for a statement that one of them refused in these words."""
    for refusal in REFUSALS:
        match = re.search(refusal.words, said, re.IGNORECASE)
        if match and match.groupdict().get("quoted", "") in statement:
            return refusal.works
    return None
