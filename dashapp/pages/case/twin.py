"""The twin view: the neighbors of an attacked image beside those of its original (`twin=1`)."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dash import Dash, Output, html
from sqlalchemy import Engine

import db.read
from dashapp import ids
from dashapp.decide import twins
from dashapp.decide.shown_classes import ALL_SHOWN, ROWS
from dashapp.draw import activation_maps
from dashapp.pages.case.address import chooses
from dashapp.pages.case.overview import class_name, small_image
from dashapp.pages.case.parts import Part
from dashapp.pages.case.scene import Scene
from dashapp.pages.case.state import UNTUNED_SHOWN, CaseState
from dashapp.theme import class_color
from dashapp.words import decisions
from dashapp.words import twins as twin_words


def twin_part() -> html.Section:
    """The container of the twin view, still empty."""
    return html.Section(
        id=ids.TWIN,
        className="card twin",
        hidden=True,
        children=[html.Div(id=ids.TWIN_BODY)],
        **{"aria-label": "The attacked image beside its original"},
    )


def original_softmax(engine: Engine, case: db.read.CaseDetail) -> list[float] | None:
    """(C,) the softmax output of the image before the attack; None if its logits are not stored."""
    original = db.read.case_original(engine, case.case_id) if case.attack is not None else None
    if original is None or original.logits is None:
        return None
    stored = original.logits
    logits = activation_maps.decode(stored.data, stored.encoding, stored.shape)
    return twins.softmax(logits) if logits.size == len(case.class_names) else None


def body(app: Dash, engine: Engine, case: db.read.CaseDetail, state: CaseState, theme: str) -> list[Any]:
    """Both rankings with each neighbor's change of rank, and how many neighbors each class has."""
    view = state.view
    head = html.Div(
        [
            html.H2(f"Original and attacked image in {view.layer}"),
            html.Button(
                "Close ✕",
                type="button",
                className="button pair-close",
                title="Hide the original's neighbors",
                **chooses("twin", ""),
            ),
        ],
        className="part-head part-head-middle pair-head",
    )
    original = db.read.case_original(engine, case.case_id)
    if case.attack is None or original is None:
        said = twin_words.NOT_ATTACKED if case.attack is None else _missing(state)
        return [head, html.P(said, className="notice-line", role="status")]
    before = db.read.twin_neighbors(engine, case.case_id, state.layer_id, metric=view.metric)
    after = db.read.case_neighbors(engine, case.case_id, view.layer, metric=view.metric)
    if not before or not after:
        return [head, html.P(_missing(state), className="notice-line", role="status")]
    k = min(state.k or UNTUNED_SHOWN, len(before), len(after))
    changes = twins.moves(
        [neighbor.reference_sample_id for neighbor in before],
        [neighbor.reference_sample_id for neighbor in after],
        k,
    )
    marks_before = {rank: ("✕", twin_words.left_text(other), "leaves") for rank, other in changes.leaves}
    marks_before |= {rank: ("→", f"now rank {other}", "stays") for rank, other in changes.stays}
    marks_after = {rank: ("+", twin_words.entered_text(other), "enters") for rank, other in changes.enters}
    marks_after |= {
        other: ("", twin_words.moved_text(rank, other), "stays" if rank == other else "moves")
        for rank, other in changes.stays
    }
    names = case.class_names
    return [
        head,
        html.P(twin_words.moves_sentence(changes, k), className="twin-said"),
        html.Div(
            [
                _top(app, case.original, "original", original.predicted_class, original.confidence, names),
                html.Span(),
                _top(app, case.image, "attacked", case.predicted_class, case.confidence, names),
                _column(app, case, before[:k], marks_before, "of the original"),
                html.Img(src=twins.lines(changes, k, theme), alt="", width=twins.WIDTH, height=k * twins.ROW),
                _column(app, case, after[:k], marks_after, "of the attacked image"),
            ],
            className="twin-grid",
        ),
        _spread(names, before[:k], after[:k]),
    ]


def _missing(state: CaseState) -> str:
    return twin_words.no_twin_sentence(state.view.metric, state.view.layer)


def _top(
    app: Dash, image: db.read.CaseImage, what: str, predicted: int, confidence: float, names: Sequence[str]
) -> html.Div:
    return html.Div(
        [
            small_image(app, image.sha256, image, 64),
            html.Div(
                [
                    html.Strong(what),
                    html.Span(twin_words.seen_text(names[predicted], confidence), className="muted"),
                ]
            ),
        ],
        className="twin-top row",
    )


def _column(
    app: Dash,
    case: db.read.CaseDetail,
    neighbors: Sequence[db.read.CaseNeighbor],
    marks: dict[int, tuple[str, str, str]],
    whose: str,
) -> html.Ol:
    """A ranking; `marks`: by rank an icon, words and a kind."""
    rows, names, size = [], case.class_names, case.original
    for neighbor in neighbors:
        icon, text, kind = marks[neighbor.rank]
        rows.append(
            html.Li(
                [
                    html.Span(str(neighbor.rank), className="neighbor-rank muted small"),
                    small_image(app, neighbor.image, size, 32),
                    html.Span(
                        [
                            class_name(names[neighbor.label], neighbor.label),
                            html.Span(decisions.distance(neighbor.distance), className="muted"),
                        ],
                        className="twin-what",
                    ),
                    html.Span(f"{icon} {text}".strip(), className="twin-mark muted"),
                ],
                className=f"twin-row small is-{kind}",
                title=f"training image {neighbor.position:,}",
            )
        )
    return html.Ol(rows, className="twin-column", **{"aria-label": f"Neighbors {whose}, nearest first"})


def _spread(
    names: Sequence[str],
    before: Sequence[db.read.CaseNeighbor],
    after: Sequence[db.read.CaseNeighbor],
) -> html.Table:
    """How many neighbors of each class each ranking has."""
    was, now = (Counter(neighbor.label for neighbor in side) for side in (before, after))
    most = max(*was.values(), *now.values())

    def bar(count: int, label: int, side: str) -> html.Td:
        style = {"--class-color": class_color(label), "width": f"{100 * count / most:.1f}%"}
        filled = html.Span(className="twin-bar", style=style)
        return html.Td(
            html.Div([filled, html.Span(str(count))], className="row"), className=f"twin-count is-{side}"
        )

    ordered = sorted(was | now, key=lambda label: (-(was[label] + now[label]), label))
    most = len(ordered) if len(ordered) <= ALL_SHOWN else ROWS
    rows = [
        html.Tr(
            [
                bar(was[label], label, "before"),
                html.Th(names[label], scope="row", className="ellipsis", title=names[label]),
                bar(now[label], label, "after"),
            ]
        )
        for label in ordered[:most]
    ]
    if ordered[most:]:
        text = html.Th(f"{len(ordered) - most} more classes", scope="row", className="muted")
        left, right = (
            html.Td(
                html.Div(html.Span(str(sum(side[c] for c in ordered[most:]))), className="row"), className=of
            )
            for side, of in ((was, "twin-count is-before muted"), (now, "twin-count is-after muted"))
        )
        rows.append(html.Tr([left, text, right]))
    columns = html.Tr(
        [
            html.Th("original", scope="col"),
            html.Th("class of the neighbors", scope="col"),
            html.Th("attacked", scope="col"),
        ]
    )
    return html.Table(
        [html.Thead(columns, className="muted"), html.Tbody(rows)], className="twin-spread small"
    )


def _key(scene: Scene) -> str | None:
    view = scene.view
    return f"{view.layer}/{view.metric}/{scene.state.k}/{scene.theme}" if view.twin else None


def _draw_twin(scene: Scene) -> dict[str, Any]:
    if not scene.view.twin:
        return {"hidden": True, "body": []}
    return {
        "hidden": False,
        "body": body(scene.app, scene.engine, scene.case, scene.state, scene.theme),
    }


PARTS = (
    Part(
        "twin",
        {"hidden": Output(ids.TWIN, "hidden"), "body": Output(ids.TWIN_BODY, "children")},
        _key,
        _draw_twin,
    ),
)
