"""Read and write query strings of addresses, '?name=value&...' or ''. No other module does.

A comma stays as it is: lists such as `sort=-confidence,true` remain readable.
"""

from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode

from db.read.refusal import QueryError


def read_fields(search: str) -> list[tuple[str, str]]:
    """The names and values of a query string in its order, empty values too."""
    return parse_qsl(search.removeprefix("?"), keep_blank_values=True)


def read_once(search: str, names: tuple[str, ...]) -> dict[str, str]:
    """The value of each name in a query string. Raises `QueryError` for another name, or a repetition."""
    fields: dict[str, str] = {}
    for name, value in read_fields(search):
        if name not in names:
            raise QueryError(f"There is no filter '{name}'", names)
        if name in fields:
            raise QueryError(f"The address has two values of {name}, '{fields[name]}' and '{value}'", "one")
        fields[name] = value
    return fields


def write_search(fields: Iterable[tuple[str, object]]) -> str:
    """The query string of names and values, '?...', or '' without any."""
    text = urlencode(list(fields), safe=",")
    return f"?{text}" if text else ""
