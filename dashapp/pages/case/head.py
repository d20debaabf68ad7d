"""The head of a case's page: the link back, the case in one sentence, the verdict, address complaints."""

from collections.abc import Sequence
from typing import Any

from dash import ALL, Dash, Output, dcc, html

import db.read
from dashapp import ids
from dashapp.pages.case.address import other_case_search
from dashapp.pages.case.parts import Part
from dashapp.pages.case.scene import Scene
from dashapp.words import decisions as words


def head_part(scene: Scene) -> html.Header:
    """The link back to the list, the case, and links to the cases before and after it in the list."""
    app, case, search = scene.app, scene.case, scene.search
    place, network = scene.place[0], _network_title(scene)
    attacked = case.attack is not None
    summary = words.summary_sentence(
        attacked=attacked,
        pixels=len(case.attack.pixels) if case.attack else 0,
        predicted=case.class_names[case.predicted_class],
        true=case.true_name,
        confidence=case.confidence,
    )
    return html.Header(
        className="case-head",
        children=[
            html.Div(
                className="case-head-line row",
                children=[
                    dcc.Link(
                        "← Cases",
                        id=ids.case_link("list"),
                        href=app.get_relative_path("/") + scene.list_search,
                        className="button",
                    ),
                    html.H1(f"Case {case.case_id}"),
                    html.Span(case.kind, className=f"badge badge-{case.kind}"),
                    html.Span(f"{case.partition} set", className="badge"),
                    html.Span(case.sample_name, className="badge badge-file ellipsis", title=case.sample_name)
                    if case.sample_name
                    else html.Span(f"{case.split} image {case.position:,}", className="badge"),
                    html.Span(network, className="badge") if network else None,
                    _batch(app, case),
                    html.Nav(
                        className="case-steps row at-end",
                        children=[
                            html.Span(words.place_text(place.position, place.total), className="muted"),
                            _step(app, "previous", "‹ Previous", place.previous, search),
                            _step(app, "next", "Next ›", place.next, search),
                        ],
                        **{"aria-label": "Cases of the list"},
                    ),
                ],
            ),
            html.P(summary, className="case-summary"),
            html.P(id=ids.CASE_VERDICT, className="case-verdict", **{"aria-live": "polite"}),
        ],
    )


def _batch(app: Dash, case: db.read.CaseDetail) -> dcc.Link | None:
    """A link to all cases of the batch that the case came from."""
    if case.batch is None:
        return None
    others = db.read.CaseQuery("all", scope=case.scope).only("batch", str(case.batch.batch_id))
    return dcc.Link(
        f"batch {case.batch.name}",
        href=app.get_relative_path("/") + others.search(),
        className="badge badge-link ellipsis",
        title=f"Batch {case.batch.name}, seed {case.batch.seed}: all its cases",
    )


def _step(app: Dash, to: str, text: str, case_id: int | None, search: str) -> dcc.Link | html.Span:
    if case_id is None:
        return html.Span(text, className="button is-disabled", **{"aria-disabled": "true"})
    href = app.get_relative_path(f"/case/{case_id}") + other_case_search(search)
    return dcc.Link(text, id=ids.case_link(to), href=href, className="button")


def _network_title(scene: Scene) -> str | None:
    """Title of the case's network and data set if the database has several, else None."""
    networks = db.read.case_query(scene.engine, "")[1].networks
    if len(networks) < 2:
        return None
    return next(option.title for option in networks if option.scope == scene.case.scope)


def notice(lines: Sequence[str]) -> list[html.P]:
    """Lines about an address that is not understood."""
    return [html.P(line, className="notice-line", role="status") for line in lines]


def _draw_links(scene: Scene) -> dict[str, Any]:
    """Update the page's links: to the list with its filters, to other cases with everything but the pair."""
    here, other = {"list": scene.list_search}, other_case_search(scene.search)
    return {
        "links": [
            href.split("?")[0] + here.get(one["to"], other)
            for href, one in zip(scene.hrefs, scene.listed["links"], strict=True)
        ]
    }


def _draw_verdict(scene: Scene) -> dict[str, Any]:
    chosen = next((one for one in scene.decisions if one.layer == scene.view.layer), None)
    alarms = [(one.layer, one.alarm) for one in scene.decisions]
    return {"verdict": words.verdict_text(alarms, scene.view.layer, chosen and chosen.outcome)}


PARTS = (
    Part("links", {"links": Output(ids.case_link(ALL), "href")}, lambda scene: scene.search, _draw_links),
    Part(
        "notice",
        {"notice": Output(ids.CASE_NOTICE, "children")},
        lambda scene: [*scene.view.complaints, scene.list_search],
        lambda scene: {"notice": notice([*scene.view.complaints, *scene.place[1]])},
    ),
    Part(
        "verdict",
        {"verdict": Output(ids.CASE_VERDICT, "children")},
        lambda scene: scene.view.layer,
        _draw_verdict,
    ),
)
