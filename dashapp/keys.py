"""The button that lists the keys; what they do is in assets/keys.js, for every page."""

from dash import html


def keys_button() -> html.Button:
    """A button like the key `?`."""
    return html.Button(
        "?", className="button keys-open", type="button", title="Keys (?)", **{"aria-label": "Keys"}
    )
