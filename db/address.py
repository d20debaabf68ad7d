"""The address of a database: parse it from text, and print it without its password.

All code that prints an address, or a text that may contain one, whole or malformed, uses this module.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from sqlalchemy import URL

ENVIRONMENT = "XPIXELS_DATABASE_URL"
DEFAULT = "xpixels.db"
DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
EXPECTED = "a path, sqlite:///PATH or postgresql://USER@HOST/NAME"
NAMES_OF_POSTGRESQL = ("postgres", "pg", "pgsql", "psql", "postgre")  # as people and other programs write it

HIDDEN = "***"
# Texts of our messages that contain an @: after an address, its password would seem to extend to that @.
_OWN_WORDS = ("://USER@HOST/NAME", "%40 for an @, %3A for a :", "%40 for an @ within user or password")
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*:/{1,3})(?P<rest>[^\n]*)")
# An address that lacks its scheme, or the slashes or colon of the scheme.
_BARE = re.compile(r"(?P<kept>((?<![\w.+/-])|(?<=//))[\w.+-]+:)[^\s@/]+@")
_PARAMETER = re.compile(
    r"(?i)(?P<kept>\b\w*(?:password|passwd|pwd|secret|token)\w*\s*=\s*)"
    r"('[^']*'|[^\s&'\"]*[^\s&'\";:,.])"
)


def default() -> str:
    """The address that a command takes when none is given."""
    return os.environ.get(ENVIRONMENT) or DEFAULT


def shown(address: str | os.PathLike[str] | URL) -> str:
    """An address fit to be printed: its password is hidden, whichever part of it holds the password."""
    if isinstance(address, str | os.PathLike):
        text = os.fspath(address)
    else:
        text = address.render_as_string(hide_password=False)
    return hide_passwords(text.replace("\n", " "))


def hide_passwords(text: str) -> str:
    """Hide the password of every address in a text, whole or malformed; in doubt, hide too much."""
    for number, words in enumerate(_OWN_WORDS):
        text = text.replace(words, f"\0{number}\0")
    text = _hidden(text)
    plain = unquote(text)  # a URL may have %3A for a colon
    if _hidden(plain) != plain:
        text = _hidden(plain)
    for number, words in enumerate(_OWN_WORDS):
        text = text.replace(f"\0{number}\0", words)
    return text


def _hidden(text: str) -> str:
    text = _each_address(text)
    text = _BARE.sub(lambda match: f"{match['kept']}{HIDDEN}@", text)
    return _PARAMETER.sub(lambda match: match["kept"] + HIDDEN, text)


def _without_password(rest: str) -> str:
    """Hide the password after a scheme. It may hold any character, and ends at the last @ of the line."""
    hidden = re.match(rf"[^:@/\s]*:{re.escape(HIDDEN)}@", rest)  # the rest belongs to another address
    length = hidden.end() if hidden else len(rest)
    user, separator, place = rest[:length].rpartition("@")
    place += rest[length:]
    name, colon, _ = user.partition(":")
    shown_user = f"{name}{colon}{HIDDEN if colon else ''}{separator}"
    end = next((i for i, sign in enumerate(place) if sign in "/?#'\"`,;) \t"), len(place))
    host, colon, port = place[:end].rpartition(":")
    if colon and not port.isdigit() and not place[:end].endswith("]"):
        # if the host was forgotten, the password is where the port would be
        return f"{shown_user}{host}:{HIDDEN if port else ''}{_each_address(place[end:])}"
    return shown_user + place[:end] + _each_address(place[end:])


def _each_address(text: str) -> str:
    return _ADDRESS.sub(lambda match: match["scheme"] + _without_password(match["rest"]), text)


class Address(str):
    """An address whose repr() hides its password, for example in the log of another program."""

    def __repr__(self) -> str:
        """The repr() of what `shown` returns."""
        return repr(shown(self))


def parse(address: str | os.PathLike[str]) -> URL:
    """The URL of a SQLite or PostgreSQL database, from an address or the path of a SQLite file.

    Raises ValueError, in one line without the password, for anything else.
    """
    from sqlalchemy import URL, make_url  # takes long, and not every command needs it
    from sqlalchemy.exc import ArgumentError

    text = os.fspath(address)
    text = text.strip() if "://" in text else text
    if not text or "\0" in text:
        raise ValueError(f"The address of the database is {text!a}: expected {EXPECTED}.")
    scheme, separator, rest = text.partition("://")
    if not separator:
        _require_path(text)
        return URL.create("sqlite", database=text if text == ":memory:" else expand(text))
    _require_scheme(text, scheme.lower())
    try:
        url = make_url(f"{scheme.lower()}://{rest}")
    except (ArgumentError, ValueError):  # ValueError: a bad port; quote neither text
        raise ValueError(
            f"Not a database address: {shown(text)}; expected {EXPECTED}, a port in digits, and %40 for an "
            "@, %3A for a : or %2F for a / within user or password."
        ) from None
    return _sqlite(text, url) if url.get_backend_name() == "sqlite" else _postgresql(text, url)


def expand(path: str) -> str:
    """A path with `~` replaced by the home folder. Raises ValueError where there is none."""
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        raise ValueError(
            f"{path}: the home folder that ~ stands for is unknown; write the whole path."
        ) from None


def _require_path(text: str) -> None:
    """Raise ValueError for a mistyped address or a connection string of PostgreSQL: neither is a path."""
    schemes = (*DRIVERS, *NAMES_OF_POSTGRESQL, "mysql", "mariadb")
    if text.partition(":")[0].lower() in schemes and ":" in text:
        raise ValueError(
            f"Not a database address: {shown(text)}; write two slashes after the colon: {EXPECTED}."
        )
    lost = rf"({'|'.join(map(re.escape, schemes))})?//?[^/]*:.*@"  # lacks the scheme, or the colon after it
    if re.match(r"[\w.+-]+:[^/]*@", text) or re.match(lost, text, re.IGNORECASE):
        raise ValueError(f"Not a database address: {shown(text)}; expected {EXPECTED}.")
    if re.search(r"(?i)\b(host|hostaddr|dbname|user|passw(or)?d|pwd|service|server)\s*=", text):
        raise ValueError(f"Not a database address: {shown(text)}; write it as postgresql://USER@HOST/NAME.")


def _require_scheme(text: str, scheme: str) -> None:
    if scheme in NAMES_OF_POSTGRESQL:
        raise ValueError(
            f"{shown(text)}: the address of a PostgreSQL database begins with postgresql:// here; write "
            f"postgresql:// for {scheme}://."
        )
    backend, _, driver = scheme.partition("+")
    if backend in ("sqlite", "postgresql") and scheme not in DRIVERS:
        raise ValueError(
            f"{shown(text)}: the driver {driver} is not used here; write {backend}:// without +{driver}."
        )
    if scheme not in DRIVERS:
        raise ValueError(f"Not a database this program knows: {shown(text)}; expected {EXPECTED}.")


def _sqlite(text: str, url: URL) -> URL:
    if url.host or url.username or url.password or url.port:
        raise ValueError(f"{shown(text)}: the address of a SQLite file has three slashes: sqlite:///PATH.")
    if url.query:
        raise ValueError(
            f"{shown(text)}: the address of a SQLite file takes no options; leave out what follows ?."
        )
    if url.database and url.database != ":memory:":
        url = url.set(database=expand(url.database))
    return url


def _postgresql(text: str, url: URL) -> URL:
    if url.port is not None and not 0 < url.port < 65536:
        raise ValueError(f"{shown(text)}: there is no port {url.port}; expected 1 to 65535.")
    if url.host and "@" in url.host:
        raise ValueError(f"{shown(text)}: write %40 for an @ within user or password.")
    if url.database and ("@" in url.database or ":" in url.database):
        raise ValueError(
            f"{shown(text)}: write %2F for a /, %3A for a : and %40 for an @ within user or password."
        )
    return url
