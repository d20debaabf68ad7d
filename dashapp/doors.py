"""Who is let in, and with how much: the password, and the largest request.

On this machine's own address nothing is asked, unless a password is given. An address that others reach is
served with a password only: HTTP Basic, any user name, on every address but the health check.
"""

import hmac
import ipaddress
import os
import socket
from hashlib import sha256
from pathlib import Path

import flask
from dash import Dash

from dashapp.refusals import line

ENVIRONMENT = "XPIXELS_PASSWORD"
SHORTEST = 8  # characters of a password
LARGEST_REQUEST = 2 * 2**20  # bytes; the largest that a page sends, with a long note, is some ten thousand
CHALLENGE = 'Basic realm="Explainable Pixels", charset="UTF-8"'


def read_password(file: Path | None = None) -> str | None:
    """The password: the first line of `file`, else of the environment; None when neither is given.

    Never of the command line, which every user of a machine can read.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is too short, or no text.
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
    """Raises ValueError when others can reach a socket and no password keeps them out."""
    own = ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback
    if password is None and not own:
        raise ValueError(
            f"--host {host} is open to others: set {ENVIRONMENT}, or name a file that holds a password with "
            "--password-file."
        )


def add_doors(app: Dash, password: str | None) -> None:
    """Refuse requests that are too large and, where there is a password, those without it.

    Call it before other handlers of requests: the first one runs first.
    """
    app.server.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    health = f"{app.config.routes_pathname_prefix}{app.config.health_endpoint}"
    expected = None if password is None else _digest(password)

    @app.server.before_request
    def let_in() -> flask.Response | None:
        if expected is not None and flask.request.path != health:
            given = flask.request.authorization
            word = given.password if given is not None and given.type == "basic" else None
            # Digests are as long as one another, so that time tells nothing of the length either.
            if not hmac.compare_digest(_digest(word or ""), expected):
                return line("This dashboard wants its password.", 401, {"WWW-Authenticate": CHALLENGE})
        if (flask.request.content_length or 0) > LARGEST_REQUEST:
            return _too_large()
        return None

    @app.server.errorhandler(413)
    def too_large(_error: Exception) -> flask.Response:
        return _too_large()


def _too_large() -> flask.Response:
    return line(f"This request is too large; expected {LARGEST_REQUEST:,} bytes at most.", 413)


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogateescape")).digest()
