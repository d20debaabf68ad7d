"""Read and write query strings of addresses, '?name=value&...' or ''. No other module does.

A comma stays as it is: lists such as `sort=-confidence,true` remain readable.
"""

from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode


def read_fields(search: str) -> list[tuple[str, str]]:
    """The names and values of a query string in its order, empty values too."""
    return parse_qsl(search.removeprefix("?"), keep_blank_values=True)


def write_search(fields: Iterable[tuple[str, object]]) -> str:
    """The query string of names and values, '?...', or '' without any."""
    text = urlencode(list(fields), safe=",")
    return f"?{text}" if text else ""
