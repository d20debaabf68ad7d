"""Short names for types of SQLAlchemy that take a type for every column, where the columns are not known.

A statement that is built in steps, or whose columns depend on what is asked for, has no fixed list of types;
written out in every signature, `Select[*tuple[Any, ...]]` would hide what the signature says.
"""

from typing import Any

from sqlalchemy import Row, Select

AnySelect = Select[*tuple[Any, ...]]
AnyRow = Row[*tuple[Any, ...]]
