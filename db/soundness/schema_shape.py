"""The shape of a database, for comparing two: tables with their columns and constraints, indexes, views,
triggers.

The wanted shape is made anew by this program, in the same kind of database, and read in the same way. On
SQLite that is a database in memory. On PostgreSQL it consists of temporary tables, in a transaction that is
rolled back: so both shapes have every definition in the server's own words. It is made once for each version
of the server.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine

from db import schema
from db.engine import create

# A text in single quotes; a name in double ones; a comment; a word or number; any other sign.
TOKEN = re.compile(r"""('(?:[^']|'')*')|"((?:[^"]|"")*)"|(--[^\n]*|/\*.*?\*/)|(\w+)|([^\w\s])""", re.DOTALL)
CONSTRAINTS = ("constraint", "check", "unique", "primary", "foreign")  # first words of a constraint
HERE, TEMPORARY = "CAST(current_schema() AS regnamespace)", "pg_my_temp_schema()"

WANTED: dict[str, "Shape"] = {}  # what a server says of its version -> what it calls the wanted shape


class Index(NamedTuple):
    """An index."""

    table: str
    definition: str


class Trigger(NamedTuple):
    """A trigger, or on PostgreSQL a rule, which can do the same."""

    name: str
    kind: str
    table: str  # or the view


class Shape(NamedTuple):
    """The parts of a database, each by its name."""

    tables: dict[str, dict[str, str]]  # "column id" or "constraint pk_cases" -> its definition
    indexes: dict[str, Index]  # except those that belong to constraints
    views: dict[str, str]
    triggers: list[Trigger]


def shape(connection: Connection) -> Shape:
    """The shape of the connected database."""
    return _server_shape(connection, HERE) if _is_server(connection) else _file_shape(connection)


def wanted_shape(engine: Engine) -> Shape:
    """The shape that this program makes; nothing in the engine's database is changed."""
    if engine.dialect.name == "sqlite":
        return _wanted_file_shape()
    with engine.connect() as connection:
        version = connection.exec_driver_sql("SELECT version()").scalar_one()
        if version not in WANTED:
            WANTED[version] = _wanted_server_shape(connection)
        return WANTED[version]


@cache
def _wanted_file_shape() -> Shape:
    in_memory = create(":memory:")
    with in_memory.begin() as connection:
        schema.metadata.create_all(connection, checkfirst=False)
        found = _file_shape(connection)
    in_memory.dispose()
    return found


def _wanted_server_shape(connection: Connection) -> Shape:
    connection.rollback()
    with connection.begin() as transaction:
        connection.exec_driver_sql("SET TRANSACTION READ WRITE")  # the engine may be read-only
        connection.exec_driver_sql("SET LOCAL search_path = pg_temp")
        schema.metadata.create_all(connection, checkfirst=False)
        found = _server_shape(connection, TEMPORARY)
        transaction.rollback()
    return found


# ---- SQLite --------------------------------------------------------------------------------------


def _file_shape(connection: Connection) -> Shape:
    found = Shape({}, {}, {}, [])
    query = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
    for kind, name, table, definition in connection.exec_driver_sql(query):
        tokens = list(_tokens(definition))
        if kind == "table":
            found.tables[name] = dict(_table_parts(tokens))
        elif kind == "index":
            unique = "unique " if tokens[1] == "unique" else ""
            found.indexes[name] = Index(table, unique + " ".join(tokens[tokens.index("on") + 2 :]))
        elif kind == "view":
            found.views[name] = " ".join(tokens)
        else:
            found.triggers.append(Trigger(name, "trigger", table))
    return found


def _tokens(definition: str) -> Iterator[str]:
    """Tokens in lower case, without comments and quotes around names: spelling does not count."""
    for text, name, _, word, sign in TOKEN.findall(definition):
        token = text or (name or word).lower() or sign
        if token:
            yield token


def _table_parts(tokens: list[str]) -> Iterator[tuple[str, str]]:
    """The parts of a CREATE TABLE: columns, constraints, and the options after them."""
    depth, part = 0, list[str]()
    start = tokens.index("(")
    for place, token in enumerate(tokens[start:], start=start):
        depth += (token == "(") - (token == ")")
        if (depth == 1 and token == ",") or depth == 0:
            if part and part[0] in CONSTRAINTS:
                named = part[0] == "constraint"
                yield f"constraint {part[1] if named else ' '.join(part)}", " ".join(part[2 * named :])
            elif part:
                yield f"column {part[0]}", " ".join(part[1:])
            part = []
        elif depth > 1 or token != "(":
            part.append(token)
        if depth == 0:
            if options := " ".join(tokens[place + 1 :]):
                yield "options", options
            return


# ---- PostgreSQL ----------------------------------------------------------------------------------

COLUMNS = """SELECT pg_class.relname, pg_attribute.attname,
        format_type(pg_attribute.atttypid, pg_attribute.atttypmod), pg_attribute.attnotnull,
        pg_get_expr(pg_attrdef.adbin, pg_attrdef.adrelid)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = pg_attribute.attrelid AND pg_class.relkind = 'r'
    LEFT JOIN pg_attrdef ON pg_attrdef.adrelid = pg_class.oid AND pg_attrdef.adnum = pg_attribute.attnum
    WHERE pg_attribute.attnum > 0 AND NOT pg_attribute.attisdropped AND pg_class.relnamespace = """
NAMED = """SELECT pg_class.relname, pg_constraint.conname, pg_get_constraintdef(pg_constraint.oid)
    FROM pg_constraint JOIN pg_class ON pg_class.oid = pg_constraint.conrelid
    WHERE pg_constraint.contype IN ('p', 'u', 'f', 'c') AND pg_class.relnamespace = """
INDEXES = """SELECT own.relname, pg_class.relname, pg_get_indexdef(own.oid), pg_index.indisvalid
    FROM pg_index JOIN pg_class ON pg_class.oid = pg_index.indrelid JOIN pg_class AS own
        ON own.oid = pg_index.indexrelid
    WHERE NOT EXISTS (SELECT 1 FROM pg_constraint WHERE pg_constraint.conindid = own.oid
        AND pg_constraint.contype IN ('p', 'u')) AND pg_class.relnamespace = """
VIEWS = """SELECT pg_class.relname, pg_get_viewdef(pg_class.oid) FROM pg_class
    WHERE pg_class.relkind = 'v' AND pg_class.relnamespace = """
TRIGGERS = """SELECT pg_trigger.tgname, 'trigger', pg_class.relname
    FROM pg_trigger JOIN pg_class ON pg_class.oid = pg_trigger.tgrelid
    WHERE NOT pg_trigger.tgisinternal AND pg_class.relnamespace = {schema}
    UNION ALL SELECT pg_rewrite.rulename, 'rule', pg_class.relname
    FROM pg_rewrite JOIN pg_class ON pg_class.oid = pg_rewrite.ev_class
    WHERE pg_rewrite.rulename <> '_RETURN' AND pg_class.relnamespace = {schema}"""


def _server_shape(connection: Connection, schema_: str) -> Shape:
    def rows(query: str) -> Iterator[Any]:
        return connection.exec_driver_sql(query + schema_)

    tables: dict[str, dict[str, str]] = {}
    for table, name, type_, needed, default in rows(COLUMNS):
        definition = type_ + " not null" * needed + (f" default {_plain(default)}" if default else "")
        tables.setdefault(table, {})[f"column {name}"] = definition
    for table, name, definition in rows(NAMED):
        tables.setdefault(table, {})[f"constraint {name}"] = _plain(definition)
    indexes = {}
    for name, table, definition, is_valid in rows(INDEXES):
        unique = "unique " * definition.startswith("CREATE UNIQUE")
        indexes[name] = Index(
            table, unique + definition.split(" USING ", 1)[1] + " (broken)" * (not is_valid)
        )
    views = {name: _plain(definition) for name, definition in rows(VIEWS)}
    found = connection.exec_driver_sql(TRIGGERS.format(schema=schema_))
    return Shape(tables, indexes, views, [Trigger(*row) for row in found])


def _plain(definition: str) -> str:
    """A definition without the name of the temporary schema."""
    return re.sub(r"\bpg_temp(_\d+)?\.", "", definition)


def _is_server(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"
