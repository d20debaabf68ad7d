"""Bodies of callbacks as the pages send them, one for each callback of an app and each of its inputs."""

import json

from dash import Dash

from dashapp import ids
from dashapp.http import callback_bodies

CASE = 1
VALUES = {
    (ids.LOCATION, "pathname"): f"/case/{CASE}",
    (ids.LOCATION, "search"): "?layer=dense&pair=1&twin=1&map=repair&activations=conv1",
    (ids.FOLLOWED_PATH, "data"): f"/case/{CASE}",
    (ids.ROUTE, "data"): {
        "pathname": f"/case/{CASE}",
        "search": "?layer=dense&pair=1&twin=1&map=repair&activations=conv1",
        "theme": "dark",
    },
    (ids.THEME, "data"): "dark",
    (ids.CASE_ID, "data"): CASE,
    (ids.WHAT_IF_LIVE, "data"): {"k": 5, "threshold": 2},
    (ids.CASE_SHOWN, "data"): {"drawn": "euclidean/total", "layers": "logits"},
    (ids.WHAT_IF_K, "value"): 5,
    (ids.WHAT_IF_THRESHOLD, "value"): 2,
    (ids.GO_TO_CASE, "value"): "#2",
    (ids.LIST_SAVE_NAME, "value"): "mine",
    (ids.DETECTORS_SEARCH, "data"): "",
}
IDS = {  # of patterns: what stands for ALL or MATCH
    "case": [CASE],
    "verdict": ["real attack", "unclear"],
    "tag": ["odd", "sky"],
    "view": [1, 2],
    "over": ["plain", "repair"],
    "layer": ["dense", "conv1"],
    "part": ["network"],
    "range": ["first", "all"],
    "to": ["list", "next"],
}


def components(asked):
    """The components that an input, a state or an output means, as a page has them."""
    if isinstance(asked.id, str):
        return [asked.id]
    found = [{}]
    for key, one in asked.id.items():
        values = [one] if isinstance(one, str) else IDS[key]
        values = values[:1] if one == ["MATCH"] else values
        found = [{**before, key: value} for before in found for value in values]
    return found


def part(asked, *, values):
    found = []
    for component in components(asked):
        given = {"id": component, "property": asked.property}
        if values:
            place = component if isinstance(component, str) else None
            plain = component if asked.property == "id" else "/case/2" if asked.property == "href" else 1
            if asked.property in ("value", "data"):
                plain = "a text"
            given["value"] = VALUES.get((place, asked.property), plain)
        found.append(given)
    return found if asked.is_list() else found[0]


def written(given):
    """An input as changedPropIds names it."""
    given = given[0] if isinstance(given, list) else given
    name = given["id"]
    if isinstance(name, dict):
        name = json.dumps(name, sort_keys=True, separators=(",", ":"))
    return f"{name}.{given['property']}"


def bodies_of(app: Dash) -> list[dict]:
    """A body for every callback of the app, and one for every input that may be the cause."""
    found = []
    for name, entry in app.callback_map.items():
        if "callback" not in entry:
            continue
        callback = callback_bodies._callback(name, entry)
        outputs = [part(one, values=False) for one in callback.outputs]
        body = {
            "output": name,
            "outputs": outputs if callback.several else outputs[0],
            "inputs": [part(one, values=True) for one in callback.inputs],
            "state": [part(one, values=True) for one in callback.state],
            "changedPropIds": [],
        }
        found.append(body)
        found += [{**body, "changedPropIds": [written(one)]} for one in body["inputs"]]
    return found


def note(words, case=CASE):
    """The body of a note that is saved."""
    field, state = ids.case_notes(case, "note"), ids.case_notes(case, "note-state")
    return {
        "output": '{"case":["MATCH"],"part":"note-state","type":"case-notes"}.children',
        "outputs": {"id": state, "property": "children"},
        "inputs": [{"id": field, "property": "n_blur", "value": 1}],
        "state": [{"id": field, "property": "value", "value": words}],
        "changedPropIds": [f"{json.dumps(field, separators=(',', ':'))}.n_blur"],
    }
