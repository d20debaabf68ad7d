"""Headers of every response: the security policy, and how long it may be cached."""

from collections.abc import Sequence

import flask
from dash import Dash

FOR_EVER = 31_536_000  # seconds: a year, the longest that caches honor
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",  # other sites' pages cannot use images or exports
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
    """Add the headers to every response; call it when all inline callbacks exist, as it hashes them."""
    headers = {**HEADERS, "Content-Security-Policy": policy(app.csp_hashes())}
    suites = f"{app.config.routes_pathname_prefix}_dash-component-suites/"
    assets = f"{app.config.routes_pathname_prefix}{app.config.assets_url_path.strip('/')}/"

    @app.server.after_request
    def finish(response: flask.Response) -> flask.Response:
        response.headers.update(headers)
        path = flask.request.path
        # Addresses change with the content: libraries by version, our files by modification time (?m=).
        kept = path.startswith(suites) and response.cache_control.max_age
        kept = kept or (path.startswith(assets) and "m" in flask.request.args)
        if kept and response.status_code in (200, 304):
            keep_for_ever(response)
        if path.startswith(assets) and response.status_code == 200:
            # Read the file whole: compressing it in chunks would skip gzip and leave the file open.
            response.direct_passthrough = False
            response.make_sequence()
        return response


def keep_for_ever(response: flask.Response) -> None:
    """Let browsers and proxies cache a response without revalidation: its address identifies its content."""
    response.cache_control.no_cache = None
    response.cache_control.public = True
    response.cache_control.max_age = FOR_EVER
    response.cache_control.immutable = True
