"""The parts of the case's page that follow the address: what each shows, and how it is redrawn."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dash import ALL, Output, no_update
from dash.development.base_component import Component

from dashapp.pages.case.scene import Scene


class Part(NamedTuple):
    """A group of outputs that change together."""

    name: str
    outputs: Mapping[str, Output]
    key: Callable[[Scene], Any]  # identifies what it shows, as JSON: it is drawn only when this changes
    draw: Callable[[Scene], dict[str, Any]]  # a value for each output, or for some


def keys_of(parts: Iterable[Part], scene: Scene) -> dict[str, Any]:
    """The keys of what the page shows, by part; the browser stores them and sends them with each event."""
    return {
        "drawn": scene.drawn_for,
        "theme": scene.theme,
        **{part.name: part.key(scene) for part in parts},
    }


def draw_changes(
    parts: Iterable[Part], scene: Scene, before: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Part -> output -> value; `no_update` wherever the page is already up to date."""
    changes = {}
    for part in parts:
        values = {} if part.name in before and before[part.name] == now[part.name] else part.draw(scene)
        changes[part.name] = {
            name: values.get(name, _leave(output, scene.listed.get(name)))
            for name, output in part.outputs.items()
        }
    return changes


def leave_all(parts: Iterable[Part], scene: Scene) -> dict[str, dict[str, Any]]:
    """The same structure as `draw_changes`, with `no_update` everywhere."""
    return {
        part.name: {name: _leave(output, scene.listed.get(name)) for name, output in part.outputs.items()}
        for part in parts
    }


def _leave(output: Output, listed: Sequence[dict[str, Any]] | None) -> Any:
    return [no_update] * len(listed or ()) if _is_pattern(output) else no_update


def _is_pattern(output: Output) -> bool:
    return isinstance(output.component_id, dict) and ALL in output.component_id.values()


def fill(tree: Component, parts: Iterable[Part], scene: Scene) -> None:
    """Fill every part of a new page, so that the page is complete when it is sent."""
    scene.sliders = {}
    components: list[Any] = [one for one in tree._traverse() if getattr(one, "id", None) is not None]
    by_id = {one.id: one for one in components if isinstance(one.id, str)}
    for part in parts:
        places = {name: _places(output, components, by_id) for name, output in part.outputs.items()}
        scene.listed |= {
            name: [one.id for one in places[name]] for name in places if _is_pattern(part.outputs[name])
        }
        scene.hrefs = [one.href for one in places.get("links", ())] or scene.hrefs
        for name, value in part.draw(scene).items():
            output = part.outputs[name]
            values = value if _is_pattern(output) else [value]
            for component, each in zip(places[name], values, strict=True):
                if each is not no_update:
                    setattr(component, output.component_property, each)


def _places(output: Output, components: Sequence[Any], by_id: Mapping[str, Any]) -> list[Any]:
    wanted: Any = output.component_id
    if isinstance(wanted, str):
        return [by_id[wanted]]
    return [
        one
        for one in components
        if isinstance(one.id, dict)
        and one.id.keys() == wanted.keys()
        and all(value is ALL or one.id[name] == value for name, value in wanted.items())
    ]
