"""Access control: the dashboard's host names, the password, and the largest request.

On this machine's loopback address no password is required unless one is set. If other machines can reach the
address, a password is mandatory: HTTP Basic, any user name, on every address but the health check. Requests
under other sites' names are refused everywhere, see `host_names`.
"""

import hmac
import json
import os
import socket
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

import flask
from dash import Dash

from dashapp.http.errors import line
from dashapp.http.host_names import asked_name, is_foreign, is_known, is_loopback
from dashapp.http.unavailable import HEALTH

ENVIRONMENT = "XPIXELS_PASSWORD"
SHORTEST = 8  # characters of a password
LARGEST_REQUEST = 2 * 2**20  # bytes; the largest that a page sends, with a long note, is some ten thousand
READS = ("GET", "HEAD", "OPTIONS")  # methods that change nothing
CUT = 80  # characters of a header in a message
CHALLENGE = 'Basic realm="Explainable Pixels", charset="UTF-8"'


def read_password(file: Path | None = None) -> str | None:
    """Read the password: the first line of `file`, else from the environment; None if there is neither.

    It is never a command line argument, since every user of a machine can read those.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is too short, or not UTF-8 text.
    """
    if file is None:
        where, password = ENVIRONMENT, os.environ.get(ENVIRONMENT, "")
        if not password:
            return None
    else:
        where = os.fspath(file)
        try:
            password = next(iter(file.read_text("utf-8").splitlines()), "")
        except UnicodeDecodeError:
            raise ValueError(f"The password in {where} is no text in UTF-8.") from None
    if len(password) < SHORTEST:
        raise ValueError(
            f"The password in {where} has {len(password)} characters; expected {SHORTEST} or more."
        )
    return password


def require_password(listening: socket.socket, host: str, password: str | None) -> None:
    """Raise ValueError if other machines can reach a socket and there is no password."""
    if password is None and not is_loopback(listening):
        raise ValueError(
            f"--host {host} is open to others: set {ENVIRONMENT}, or name a file that holds a password with "
            "--password-file."
        )


def add_doors(app: Dash, password: str | None, hosts: Collection[str] = ()) -> None:
    """Refuse requests under another site's name or from its pages, without the password, or too large.

    hosts: the dashboard's names besides IP addresses and localhost, see `host_names.known_names`.
    Call it before other request handlers are added: the first one runs first.
    """
    app.server.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    health = f"{app.config.routes_pathname_prefix}{HEALTH}"
    expected = None if password is None else _digest(password)

    @app.server.before_request
    def check_names() -> flask.Response | None:
        header = flask.request.environ.get("HTTP_HOST")  # not X-Forwarded-Host, which any client can send
        name = asked_name(header)
        if name is None:
            return line(
                f"This request asks for the host {_quote(header)}; expected a name or an address.", 400
            )
        if not is_known(name, hosts):
            return line(
                f"This dashboard does not answer to the name {_quote(name)}: if it is the dashboard's own, "
                f"start it with --allow-host {_quote(name, quoted=False)}.",
                421,
            )
        site = flask.request.headers.get("Sec-Fetch-Site")
        source = flask.request.headers.get("Origin") or flask.request.headers.get("Referer")
        if flask.request.method not in READS and is_foreign(site, source, name, hosts):
            return line(
                f"This request comes from another site's page ({_quote(source or site)}): nothing was done. "
                "If that is the dashboard's own name, behind a proxy, start it with --allow-host NAME.",
                403,
            )
        return None

    @app.server.before_request
    def check_password_and_size() -> flask.Response | None:
        if expected is not None and flask.request.path != health:
            sent = flask.request.authorization
            sent_password = sent.password if sent is not None and sent.type == "basic" else None
            # Digests have equal lengths, so the time does not reveal the password's length either.
            if not hmac.compare_digest(_digest(sent_password or ""), expected):
                return line("This dashboard asks for its password.", 401, {"WWW-Authenticate": CHALLENGE})
        if (flask.request.content_length or 0) > LARGEST_REQUEST:
            return _too_large()
        return None

    @app.server.errorhandler(413)
    def too_large(_error: Exception) -> flask.Response:
        return _too_large()


def _too_large() -> flask.Response:
    return line(f"This request is too large; expected {LARGEST_REQUEST:,} bytes at most.", 413)


def _quote(value: str | None, *, quoted: bool = True) -> str:
    text = json.dumps(value)
    text = text if len(text) <= CUT else f"{text[:CUT]}…"
    return text if quoted else text.strip('"')


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogateescape")).digest()
