"""Check callback requests: invalid ones are refused with one line before a callback runs.

Dash trusts what the browser sends. Here a body must name a callback of this app with that callback's own
inputs, and each value must be of its property's kind: callbacks rely on it.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import flask
from dash import Dash
from werkzeug.exceptions import HTTPException

from dashapp import ids
from dashapp.http.errors import line

LARGEST = 2**53 - 1  # the largest safe integer of JavaScript
DEEPEST = 12  # nesting of lists and objects; Dash's own bodies have four
CUT = 60  # characters of a value in a message


class Wrong(ValueError):
    """A body that no page sends; the text is one line."""


class Kind(NamedTuple):
    """A kind of value: its description and its check."""

    words: str
    holds: Callable[[Any], bool]


class Asked(NamedTuple):
    """An input, state or output of a callback: a component's id, or a pattern of ids, and its property."""

    id: str | dict[str, Any]
    property: str

    def is_list(self) -> bool:
        """Whether it can match several components, which are then sent as a list."""
        return isinstance(self.id, dict) and ["ALL"] in self.id.values()


class Callback(NamedTuple):
    """The parts of a callback, in its order."""

    inputs: list[Asked]
    state: list[Asked]
    outputs: list[Asked]
    several: bool  # outputs come as a list


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_point(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _is_whole(value.get(name)) and -1 <= value[name] <= 10_000 for name in ("k", "threshold")
    )


TEXT = Kind("a text or nothing", lambda value: value is None or isinstance(value, str))
COUNT = Kind("a whole number or nothing", lambda value: value is None or _is_whole(value))
CASE = Kind(
    "the number of a case or nothing", lambda value: value is None or (_is_whole(value) and value > 0)
)
NUMBER = Kind(
    "a number or nothing",
    lambda value: value is None or (isinstance(value, int | float) and not isinstance(value, bool)),
)
OBJECT = Kind("an object or nothing", lambda value: value is None or isinstance(value, dict))
POINT = Kind("k and threshold as whole numbers, or nothing", lambda value: value is None or _is_point(value))
THEME = Kind("'light', 'dark' or nothing", lambda value: value in (None, "light", "dark"))
ADDRESS = Kind("a text", lambda value: isinstance(value, str))
ROUTE = Kind("the pathname, search and theme of an address", lambda value: _is_route(value))
PATH = Kind("a path that begins with '/', or nothing", lambda value: value is None or _is_path(value))

BY_PROPERTY = {"n_clicks": COUNT, "n_submit": COUNT, "n_blur": COUNT, "href": ADDRESS, "pathname": PATH}
BY_PLACE = {
    (ids.CASE_ID, "data"): CASE,
    (ids.THEME, "data"): THEME,
    (ids.WHAT_IF_LIVE, "data"): POINT,
    (ids.CASE_SHOWN, "data"): OBJECT,
    (ids.ROUTE, "data"): ROUTE,
    (ids.WHAT_IF_K, "value"): NUMBER,
    (ids.WHAT_IF_THRESHOLD, "value"): NUMBER,
}
WHOLE_IN_IDS = ("case", "view")  # parts of ids that are numbers; the others are texts


def _is_route(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"pathname", "search", "theme"}
        and _is_path(value["pathname"])
        and isinstance(value["search"], str)
        and value["theme"] in ("light", "dark")
    )


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("/")


def add_body_check(app: Dash) -> None:
    """Refuse bodies that no page sends, with status 400; call it when all callbacks are registered."""
    known = {name: _callback(name, entry) for name, entry in app.callback_map.items() if "callback" in entry}
    address = f"{app.config.routes_pathname_prefix}_dash-update-component"

    @app.server.before_request
    def check() -> flask.Response | None:
        if flask.request.path != address or flask.request.method != "POST":
            return None
        try:
            require_body(known, _read())
        except Wrong as error:
            app.server.logger.warning("A callback was refused: %s", error)
            return line(str(error), 400)
        return None


def require_body(known: Mapping[str, Callback], body: Any) -> None:
    """Raise Wrong if no page of the app sends such a body."""
    if not isinstance(body, dict):
        raise Wrong(f"The body is {shown(body)}; expected an object.")
    _require_plain(body)
    name = body.get("output")
    callback = known.get(name) if isinstance(name, str) else None
    if callback is None:
        raise Wrong(f"The body asks for the output {shown(name)}; expected one that a callback has.")
    for part, asked in (("inputs", callback.inputs), ("state", callback.state)):
        _require_parts(part, asked, body.get(part, []), values=True)
    outputs = body.get("outputs")
    _require_parts("outputs", callback.outputs, outputs if callback.several else [outputs], values=False)
    _require_same(callback, body, cast(list[Any], outputs) if callback.several else [outputs])
    changed = body.get("changedPropIds", [])
    if not isinstance(changed, list) or not all(isinstance(one, str) for one in changed):
        raise Wrong(f"changedPropIds is {shown(changed)}; expected a list of texts.")
    for one in changed:
        if not any(_is_input(one, asked) for asked in callback.inputs):
            raise Wrong(f"changedPropIds has {shown(one)}; expected inputs of the callback.")


def shown(value: Any) -> str:
    """A value as JSON for a message, cut to `CUT` characters."""
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= CUT else f"{text[: CUT - 1]}…"


def _read() -> Any:
    if flask.request.mimetype != "application/json":
        raise Wrong(f"The body is {shown(flask.request.mimetype)}; expected application/json.")
    try:
        return flask.request.get_json()
    except RecursionError:
        raise Wrong("The body has too many lists and objects in one another.") from None
    except HTTPException as error:
        if error.code == 413:
            raise
        raise Wrong("The body is no JSON.") from None


def _require_plain(value: Any, depth: int = 0) -> None:
    """Require values that a browser can send and a database can store."""
    if isinstance(value, str):
        _require_text(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise Wrong(f"The body has the number {value}; expected finite ones.")
    elif isinstance(value, int) and abs(value) > LARGEST:
        raise Wrong(f"The body has a whole number beyond {LARGEST:,}.")
    elif isinstance(value, list | dict):
        if depth == DEEPEST:
            raise Wrong("The body has too many lists and objects in one another.")
        for name in value if isinstance(value, dict) else ():
            _require_text(name)
        for one in value.values() if isinstance(value, dict) else value:
            _require_plain(one, depth + 1)


def _require_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Wrong(
            f"The body has {shown(text)}, half of a surrogate pair; expected whole characters."
        ) from None


def _require_parts(part: str, asked: list[Asked], given: Any, *, values: bool) -> None:
    if not isinstance(given, list) or len(given) != len(asked):
        raise Wrong(f"{part} is {shown(given)}; expected a list of {len(asked)}.")
    for one, wanted in zip(given, asked, strict=True):
        if wanted.is_list() != isinstance(one, list):
            expected = "a list" if wanted.is_list() else "one component"
            raise Wrong(f"{part} has {shown(one)}; expected {expected} for {_name(wanted)}.")
        for each in one if wanted.is_list() else [one]:
            _require_part(part, wanted, each, values=values)


def _require_part(part: str, wanted: Asked, given: Any, *, values: bool) -> None:
    right = isinstance(given, dict) and given.get("property") == wanted.property
    if not right or not _is_id(given.get("id"), wanted.id):
        raise Wrong(f"{part} has {shown(given)}; expected {_name(wanted)}.")
    if not values:
        return
    value = given.get("value")
    if wanted.property == "id":
        kind = Kind("the component's own id", lambda value: value == given["id"])
    else:
        place = (wanted.id, wanted.property) if isinstance(wanted.id, str) else None
        kind = (BY_PLACE.get(place) if place else None) or BY_PROPERTY.get(wanted.property, TEXT)
    if not kind.holds(value):
        raise Wrong(f"{_name(wanted)} is {shown(value)}; expected {kind.words}.")


def _require_same(callback: Callback, body: dict[str, Any], outputs: list[Any]) -> None:
    """Require the same components in all lists of one pattern: callbacks iterate over them together."""
    listed: dict[str, list[Any]] = {}
    asked = (*callback.inputs, *callback.state, *callback.outputs)
    given = (*body.get("inputs", []), *body.get("state", []), *outputs)
    for wanted, ones in zip(asked, given, strict=True):
        if wanted.is_list():
            own_ids = [one["id"] for one in ones]
            if listed.setdefault(json.dumps(wanted.id), own_ids) != own_ids:
                raise Wrong(f"{_name(wanted)} is of {len(own_ids)} components; expected the same everywhere.")


def _is_id(given: Any, wanted: str | dict[str, Any]) -> bool:
    """Whether an id is the wanted one, or matches the wanted pattern."""
    if isinstance(wanted, str) or not isinstance(given, dict):
        return bool(given == wanted)
    return given.keys() == wanted.keys() and all(
        given[key] == one if not isinstance(one, list) else _fits(key, given[key])
        for key, one in wanted.items()
    )


def _fits(key: str, value: Any) -> bool:
    return _is_whole(value) and value >= 0 if key in WHOLE_IN_IDS else isinstance(value, str)


def _is_input(text: str, asked: Asked) -> bool:
    """Whether 'id.property', as a browser writes it, is this input."""
    one, _, property = text.rpartition(".")
    if property != asked.property:
        return False
    if isinstance(asked.id, str):
        return one == asked.id
    try:
        return _is_id(json.loads(one), asked.id)
    except (ValueError, RecursionError):
        return False


def _name(asked: Asked) -> str:
    return f"{asked.id if isinstance(asked.id, str) else asked.id['type']}.{asked.property}"


def _callback(name: str, entry: Mapping[str, Any]) -> Callback:
    several = name.startswith("..")
    outputs = [text.rpartition(".") for text in (name[2:-2].split("...") if several else [name])]
    return Callback(
        [Asked(_id(one["id"]), one["property"]) for one in entry["inputs"]],
        [Asked(_id(one["id"]), one["property"]) for one in entry["state"]],
        [Asked(_id(one), property) for one, _, property in outputs],
        several,
    )


def _id(text: str) -> str | dict[str, Any]:
    return json.loads(text) if text.startswith("{") else text
