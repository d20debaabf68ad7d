"""The annotations of a case, in a strip above it: a verdict, tags, a note; each is saved at once.

Ids include the number of the case: a response that arrives on the next case's page changes nothing there.
"""

from collections.abc import Callable, Sequence
from typing import Any

from dash import ALL, MATCH, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

import db.read
from dashapp import ids
from dashapp.words import decisions
from db import annotations
from db.availability import unavailable
from db.engine import writing
from db.faults import describe
from db.tables.cases import VERDICTS

READ_ONLY = "This dashboard was started read-only: annotations cannot be changed here."
NOTE_HINT = "What you see here … (Ctrl+Enter saves)"


def notes_part(engine: Engine, case_id: int, *, writable: bool) -> html.Section:
    """The strip of a case; if it is not writable it is read-only, with the reason."""
    said = db.read.case_annotations(engine, case_id)
    parts = _fields(case_id, said, db.read.tag_counts(engine)) if writable else _texts(said)
    return html.Section(parts, className="card case-notes", **{"aria-label": "Your judgment"})


def validation_layout() -> html.Div:
    """All ids of the strip."""
    said = db.read.CaseAnnotations("unclear", ("tag",), "", None)
    return html.Div(_fields(0, said, ()))


def _fields(case_id: int, said: db.read.CaseAnnotations, known: Sequence[db.read.TagCount]) -> list[html.Div]:
    names = f"tags-in-use-{case_id}"
    verdicts = [
        html.Button(
            [html.Span(str(digit), className="verdict-digit", **{"aria-hidden": "true"}), verdict],
            id=ids.case_verdict(case_id, verdict),
            type="button",
            **{"aria-pressed": decisions.aria(verdict == said.verdict)},
        )
        for digit, verdict in enumerate(VERDICTS, start=1)
    ]
    return [
        html.Div(
            className="notes-verdict row wrap",
            children=[
                html.H2("Verdict"),
                html.Div(verdicts, className="verdicts", role="group", **{"aria-label": "Your verdict"}),
                _state(case_id, "verdict-state"),
            ],
        ),
        html.Div(
            className="notes-tags row wrap",
            children=[
                html.H2("Tags"),
                html.Ul(_chips(case_id, said.tags), id=ids.case_notes(case_id, "tags"), className="tags"),
                html.Label(
                    [
                        html.Span("Add a tag", className="visually-hidden"),
                        dcc.Input(
                            id=ids.case_notes(case_id, "tag"),
                            type="text",
                            value="",
                            list=names,
                            placeholder="add a tag …",
                            autoComplete="off",
                            className="tag-input",
                        ),
                    ],
                    className="tag-field",
                ),
                html.Div(
                    html.Datalist(_options(known), id=names), id=ids.case_notes(case_id, "known"), hidden=True
                ),
                _state(case_id, "tag-state"),
            ],
        ),
        html.Div(
            className="notes-note row wrap",
            children=[
                html.Label(
                    [
                        html.H2("Note"),
                        dcc.Textarea(
                            id=ids.case_notes(case_id, "note"),
                            value=said.note,
                            rows=1,
                            placeholder=NOTE_HINT,
                            className="note-input",
                        ),
                    ],
                    className="note-field row",
                ),
                _state(case_id, "note-state", _saved(said)),
            ],
        ),
    ]


def _texts(said: db.read.CaseAnnotations) -> list[Any]:
    nothing = html.Span("none", className="muted")
    tags = html.Ul([html.Li(tag, className="tag ellipsis") for tag in said.tags], className="tags")
    shown = (
        (
            "Verdict",
            "notes-verdict",
            html.Span(said.verdict, className="tag ellipsis") if said.verdict else nothing,
        ),
        ("Tags", "notes-tags", tags if said.tags else nothing),
        ("Note", "notes-note", html.P(said.note, className="note-text") if said.note else nothing),
    )
    parts = [html.Div([html.H2(title), body], className=f"{name} row wrap") for title, name, body in shown]
    return [*parts, html.P(READ_ONLY, className="muted small notes-why")]


def _state(case_id: int, part: str, text: str | list[Any] = "") -> html.Span:
    """The line beside a field that shows whether its last change was saved."""
    return html.Span(
        text, id=ids.case_notes(case_id, part), className="notes-state muted small", role="status"
    )


def _chips(case_id: int, tags: Sequence[str]) -> list[html.Li]:
    return [
        html.Li(
            [
                tag,
                html.Button(
                    "×",
                    id=ids.case_tag(case_id, tag),
                    type="button",
                    title=f"Remove the tag {tag}",
                    **{"aria-label": f"Remove the tag {tag}"},
                ),
            ],
            className="tag ellipsis",
        )
        for tag in tags
    ]


def _options(known: Sequence[db.read.TagCount]) -> list[html.Option]:
    return [html.Option(value=one.tag, label=f"{one.tag} ({one.cases:,})") for one in known]


def _saved(said: db.read.CaseAnnotations) -> list[Any]:
    if said.note_at is None:
        return []
    when = f"{said.note_at[:10]} {said.note_at[11:16]} UTC"
    return [html.Span("✓ saved", title=when), html.Span(f" {when}", className="notes-when")]


def register(app: Dash, engine: Engine, writer: Engine | None) -> None:
    """Connect the fields; without a writer there are none."""
    if writer is None:
        return

    def write_change(change: Callable[[Connection], object]) -> str:
        """Save a change; return '' or one line with the reason why it was not saved."""
        try:
            with writing(writer) as connection:
                change(connection)
        except SQLAlchemyError as error:
            if unavailable(error, ""):
                raise
            app.server.logger.warning("An annotation could not be kept: %s", error)
            return f"Not saved: {describe(error)}."
        except (ValueError, LookupError) as error:
            return f"Not saved: {error}"
        return ""

    def part(name: str) -> dict[str, Any]:
        return ids.case_notes(MATCH, name)

    @app.callback(
        Output(ids.case_verdict(MATCH, ALL), "aria-pressed"),
        Output(part("verdict-state"), "children"),
        Input(ids.case_verdict(MATCH, ALL), "n_clicks"),
        prevent_initial_call=True,
    )
    def judge(clicks: list[int | None]) -> tuple[list[str], str]:
        if not any(clicks) or ctx.triggered_id is None:
            raise PreventUpdate
        case_id, clicked = ctx.triggered_id["case"], ctx.triggered_id["verdict"]
        before = db.read.case_annotations(engine, case_id).verdict
        chosen = None if clicked == before else clicked  # a second click takes it back
        problem = write_change(lambda connection: annotations.set_verdict(connection, case_id, chosen))
        now = db.read.case_annotations(engine, case_id).verdict
        return [decisions.aria(one["id"]["verdict"] == now) for one in ctx.outputs_list[0]], problem

    @app.callback(
        Output(part("tags"), "children"),
        Output(part("tag"), "value"),
        Output(part("known"), "children"),
        Output(part("tag-state"), "children"),
        Input(part("tag"), "n_submit"),
        Input(ids.case_tag(MATCH, ALL), "n_clicks"),
        State(part("tag"), "value"),
        prevent_initial_call=True,
    )
    def tag(_submits: int | None, removals: list[int | None], typed: str | None) -> tuple[Any, ...]:
        cause = ctx.triggered_id
        if cause is None:
            raise PreventUpdate
        case_id = cause["case"]
        if cause["type"] == "case-tag":
            if not any(removals):
                raise PreventUpdate
            removed = cause["tag"]
            problem = write_change(lambda connection: annotations.remove_tag(connection, case_id, removed))
            left: Any = no_update  # what stands in the field
        else:
            if not (typed or "").strip():
                raise PreventUpdate
            problem = write_change(lambda connection: annotations.add_tag(connection, case_id, typed or ""))
            left = no_update if problem else ""
        tags = db.read.case_annotations(engine, case_id).tags
        known = html.Datalist(_options(db.read.tag_counts(engine)), id=f"tags-in-use-{case_id}")
        return _chips(case_id, tags), left, known, problem

    @app.callback(
        Output(part("note-state"), "children"),
        Input(part("note"), "n_blur"),
        State(part("note"), "value"),
        prevent_initial_call=True,
    )
    def keep_note(_blurs: int, text: str | None) -> Any:
        if ctx.triggered_id is None:
            raise PreventUpdate
        case_id = ctx.triggered_id["case"]
        problem = write_change(lambda connection: annotations.set_note(connection, case_id, text or ""))
        return problem or _saved(db.read.case_annotations(engine, case_id))
