"""The only callback of the case view that follows address, theme and sliders; it reads the case once.

It redraws what has changed; the parts are functions of the data that it reads. `CASE_SHOWN` stores what each
part shows: the browser sends it with each event, so that nothing is drawn twice.
"""

from collections.abc import Callable
from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, no_update
from dash.exceptions import PreventUpdate
from sqlalchemy import Engine

from dashapp import ids
from dashapp.pages.case import channels, charts, controls, head, maps, neighbors, pair, twin, what_if
from dashapp.pages.case.parts import Part, draw_changes, keys_of, leave_all
from dashapp.pages.case.scene import Scene

# Every part of the page that follows the address.
PARTS: tuple[Part, ...] = (
    *head.PARTS,
    *controls.PARTS,
    *maps.PARTS,
    *channels.PARTS,
    *charts.PARTS,
    *what_if.PARTS,
    *neighbors.PARTS,
    *pair.PARTS,
    *twin.PARTS,
)


def register_event(app: Dash, engine: Engine, draw_page: Callable[[Scene], list[Any]]) -> None:
    """Connect the page.

    Args:
        app, engine: the app and its database.
        draw_page: redraws the whole page: another metric or rule changes every decision.
    """
    for file in (what_if, neighbors):
        file.register(app)
    pair.register(app, engine)
    app.clientside_callback(
        ClientsideFunction("caseView", "answered"),
        Output(ids.CASE_DONE, "data"),
        Input(ids.CASE_SHOWN, "data"),
    )

    @app.callback(
        output={
            "page": Output(ids.CASE_PAGE, "children"),
            "shown": Output(ids.CASE_SHOWN, "data"),
            "parts": {part.name: dict(part.outputs) for part in PARTS},
        },
        inputs={
            "search": Input(ids.LOCATION, "search"),
            "theme": Input(ids.THEME, "data"),
            "live": Input(ids.WHAT_IF_LIVE, "data"),
        },
        state={
            "path": State(ids.LOCATION, "pathname"),
            "followed_path": State(ids.FOLLOWED_PATH, "data"),
            "case_id": State(ids.CASE_ID, "data"),
            "shown": State(ids.CASE_SHOWN, "data"),
            "hrefs": State(ids.case_link(ALL), "href"),
            "sliders": {
                "k": State(ids.WHAT_IF_K, "value"),
                "threshold": State(ids.WHAT_IF_THRESHOLD, "value"),
            },
        },
        prevent_initial_call=True,  # the page is complete when it is sent
    )
    def follow_event(
        search: str | None,
        theme: str | None,
        live: dict[str, int] | None,
        path: str | None,
        followed_path: str | None,
        case_id: int | None,
        shown: dict[str, Any] | None,
        hrefs: list[str],
        sliders: dict[str, int | None],
    ) -> dict[str, Any]:
        if case_id is None or path != followed_path:  # the page is being left
            raise PreventUpdate
        moving = live if ctx.triggered_id == ids.WHAT_IF_LIVE else None
        scene = Scene(app, engine, case_id, search or "", theme or "light", moving)
        scene.hrefs, scene.sliders = hrefs, sliders
        scene.listed = {
            name: [one["id"] for one in outputs]
            for part in ctx.outputs_grouping["parts"].values()
            for name, outputs in part.items()
            if isinstance(outputs, list)
        }
        before, now = shown or {}, keys_of(PARTS, scene)
        if before == now:
            raise PreventUpdate
        if before.get("drawn") != now["drawn"]:
            left_alone = leave_all(PARTS, scene)
            return {"page": draw_page(scene), "shown": now, "parts": left_alone}
        return {"page": no_update, "shown": now, "parts": draw_changes(PARTS, scene, before, now)}
