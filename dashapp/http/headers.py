"""What every answer carries beside its content: the security policy, and how long it may be kept."""

from collections.abc import Sequence

import flask
from dash import Dash

FOR_EVER = 31_536_000  # seconds: a year, the longest that caches honor
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",  # no image and no export is of use to another site's page
}


def policy(script_hashes: Sequence[str]) -> str:
    """The Content-Security-Policy: everything from this server, no eval, inline scripts by their hash alone.

    Inline styles are allowed, as plotly and Dash write them; images may also be `data:` (layers' maps) and
    `blob:` (exports).
    """
    own = "'self'"
    directives = {
        "default-src": [own],
        "script-src": [own, *script_hashes],
        "style-src": [own, "'unsafe-inline'"],
        "img-src": [own, "data:", "blob:"],
        "connect-src": [own],
        "object-src": ["'none'"],
        "base-uri": [own],
        "frame-ancestors": [own],
        "form-action": [own],
    }
    return "; ".join(" ".join([name, *values]) for name, values in directives.items())


def add_headers(app: Dash) -> None:
    """Put the headers on every answer; call it when all inline callbacks exist, as their hashes are taken."""
    headers = {**HEADERS, "Content-Security-Policy": policy(app.csp_hashes())}
    suites = f"{app.config.routes_pathname_prefix}_dash-component-suites/"
    assets = f"{app.config.routes_pathname_prefix}{app.config.assets_url_path.strip('/')}/"

    @app.server.after_request
    def finish(response: flask.Response) -> flask.Response:
        response.headers.update(headers)
        path = flask.request.path
        # Their addresses change with their content: libraries by version, our files by time of change (?m=).
        kept = path.startswith(suites) and response.cache_control.max_age
        kept = kept or (path.startswith(assets) and "m" in flask.request.args)
        if kept and response.status_code in (200, 304):
            keep_for_ever(response)
        if path.startswith(assets) and response.status_code == 200:
            # As a whole: compressing a file in chunks would leave out gzip, and leave the file open.
            response.direct_passthrough = False
            response.make_sequence()
        return response


def keep_for_ever(response: flask.Response) -> None:
    """Let browsers and proxies keep an answer without ever asking again: its address names its content."""
    response.cache_control.no_cache = None
    response.cache_control.public = True
    response.cache_control.max_age = FOR_EVER
    response.cache_control.immutable = True
