"""Compress responses; libraries are compressed once per process.

plotly's 4.8 MB would otherwise be compressed again for every browser that requests them.
"""

import threading

import flask
import flask_compress
from dash import Dash
from dash.fingerprint import check_fingerprint

UNKEPT = ""  # the address of every response that must not be cached
MOST = 64  # libraries times encodings; there are some twenty libraries


class KeptLibraries:
    """Cache for Flask-Compress that holds compressed libraries and nothing else.

    Keys are 'encoding;address'. Flask-Compress looks up every response; those without an address (pages,
    callbacks) are never cached, as the next one differs.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._kept: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """The compressed bytes under a key, or None."""
        return self._kept.get(key)

    def set(self, key: str, value: bytes) -> None:
        """Cache a library's compressed bytes, if there is room."""
        if key.partition(";")[2] == UNKEPT:
            return
        with self._lock:
            if len(self._kept) < MOST:
                self._kept[key] = value


def library(request: flask.Request) -> str:
    """A library's address without its fingerprint, where a client can put any text; '' for all else.

    Only successful responses are compressed, so the address always names a file in an installed package.
    """
    if "/_dash-component-suites/" not in request.path:
        return UNKEPT
    return str(check_fingerprint(request.path)[0])


def add_compression(app: Dash) -> None:
    """Compress responses. Call it before other response handlers are added: the first one runs last."""
    app.server.config.update(
        COMPRESS_CACHE_BACKEND=KeptLibraries,
        COMPRESS_CACHE_KEY=library,
    )
    flask_compress.Compress(app.server)
