"""The button that lists the keyboard shortcuts; assets/keys.js defines them for every page."""

from dash import html


def keys_button() -> html.Button:
    """A button that does the same as the key `?`."""
    return html.Button(
        "?", className="button keys-open", type="button", title="Keys (?)", **{"aria-label": "Keys"}
    )
