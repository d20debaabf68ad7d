"""Answers go out compressed; libraries are compressed once for the process.

plotly's 4.8 MB would otherwise be compressed anew for every browser that asks for them.
"""

import threading

import flask
import flask_compress
from dash import Dash
from dash.fingerprint import check_fingerprint

UNKEPT = ""  # the address of what is made anew for every request
MOST = 64  # libraries times encodings; there are some twenty libraries


class KeptLibraries:
    """Cache for Flask-Compress that holds compressed libraries and nothing else.

    Keys are 'encoding;address'. Flask-Compress asks for every answer; those without an address (pages,
    callbacks) are never kept, as the next one differs.
    """

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._kept: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """What is kept under a key, or None."""
        return self._kept.get(key)

    def set(self, key: str, value: bytes) -> None:
        """Keep a library's compressed bytes, if there is room."""
        if key.partition(";")[2] == UNKEPT:
            return
        with self._lock:
            if len(self._kept) < MOST:
                self._kept[key] = value


def library(request: flask.Request) -> str:
    """A library's address without its fingerprint, which any text could stand for; '' for all else.

    Only good answers are compressed, so the address is that of a file in an installed package.
    """
    if "/_dash-component-suites/" not in request.path:
        return UNKEPT
    return str(check_fingerprint(request.path)[0])


def add_compression(app: Dash) -> None:
    """Compress what the app answers. Call it before other handlers of answers: the first one runs last."""
    app.server.config.update(
        COMPRESS_CACHE_BACKEND=KeptLibraries,
        COMPRESS_CACHE_KEY=library,
    )
    flask_compress.Compress(app.server)
