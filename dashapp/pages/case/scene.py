"""A case and the state in its address, read once: every part of the page is drawn from it."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from dash import Dash
from sqlalchemy import Engine

import db.read
from dashapp.decide import votes
from dashapp.decide.shown_classes import shown_classes
from dashapp.pages.case.address import CaseView, list_search
from dashapp.pages.case.maps_address import MapsView, maps_view
from dashapp.pages.case.state import UNTUNED_SHOWN, CaseState, case_state, decide_case
from dashapp.theme import Theme
from dashapp.words import decisions as words
from db.read import chosen_scope
from db.read.query_string import read_fields, write_search


class Scene:
    """A case and its address, read once; what only some parts need is read on first use."""

    def __init__(
        self,
        app: Dash,
        engine: Engine,
        case_id: int,
        search: str,
        theme: Theme = "light",
        live: Mapping[str, int] | None = None,
    ) -> None:
        """Read the case.

        Args:
            app, engine: the app and its database.
            case_id: the case.
            search: query string of the address, '?...' or ''.
            theme: colors of figures.
            live: k and threshold while a slider is being moved; None: none is being moved.

        Raises:
            LookupError: there is no such case.
        """
        self.app, self.engine, self.search, self.theme = app, engine, search, theme
        self.case = db.read.case_detail(engine, case_id)
        self.state = case_state(engine, self.case, search)
        self.maps: MapsView = maps_view(
            search, [layer.name for layer in self.case.layers if layer.kind == "conv"]
        )
        self.moving = live is not None and self.state.tuned is not None
        self.point: CaseState = self.state  # k and threshold by the sliders, else by the address
        if live is not None and self.moving:
            self.point = self.state.at(int(live["k"]), int(live["threshold"]))
        # Ids of the page's components that an output with a pattern of ids matches, by the output's name.
        self.listed: dict[str, list[dict[str, Any]]] = {}
        self.hrefs: Sequence[str] = ()  # of the page's links
        self.sliders: Mapping[str, int | None] = {}  # their positions: 'k' and 'threshold'

    @property
    def view(self) -> CaseView:
        """The view that the address asks for."""
        return self.state.view

    @property
    def drawn_for(self) -> str:
        """What every decision of the page depends on: when it changes, the whole page is redrawn."""
        return f"{self.view.metric}/{self.view.rule}"

    @cached_property
    def decisions(self) -> tuple[db.read.CaseDecision, ...]:
        """The stored decision in each layer; empty before tuning."""
        return db.read.case_decisions(
            self.engine, self.case.case_id, metric=self.view.metric, rule=self.view.rule
        )

    @cached_property
    def neighbors(self) -> tuple[db.read.CaseNeighbor, ...]:
        """All stored neighbors in the chosen layer, nearest first."""
        return db.read.case_neighbors(
            self.engine, self.case.case_id, self.view.layer, metric=self.view.metric
        )

    @cached_property
    def chart_classes(self) -> list[int]:
        """The classes that have a row in the charts."""
        case = self.case
        return shown_classes(
            [score.probability for score in case.scores],
            [neighbor.label for neighbor in self.neighbors],
            roles=[
                case.predicted_class,
                case.true_class,
                case.attack and case.attack.target_class,
                *(decision.recovered_class for decision in self.decisions),
            ],
            found=self.view.classes,
        )

    @property
    def counted_neighbors(self) -> tuple[db.read.CaseNeighbor, ...]:
        """The first k neighbors, with the k of the address."""
        return self.neighbors[: self.state.k or UNTUNED_SHOWN]

    @property
    def shown_neighbors(self) -> tuple[db.read.CaseNeighbor, ...]:
        """The neighbors in graph and list."""
        return self.neighbors if self.view.show_all else self.counted_neighbors

    @cached_property
    def decision_here(self) -> votes.Decided | None:
        """The decision at the k and threshold of the sliders; None before tuning."""
        return decide_case(self.case, self.point, self.neighbors)

    @cached_property
    def outcomes(self) -> db.read.WhatIf | None:
        """The validation cases by outcome, at the tuned point and at the k of the sliders."""
        if self.point.tuned is None or self.decision_here is None:
            return None
        return db.read.what_if_outcomes(
            self.engine,
            self.case.scope,
            self.point.layer_id,
            self.point.tuned,
            self.decision_here.k,
            metric=self.view.metric,
            rule=self.view.rule,
        )

    @cached_property
    def list_search(self) -> str:
        """The list's part of the query string; it names the case's network and data set if it has to."""
        filters = list_search(self.search)
        fields = read_fields(filters)
        if any(name in dict(fields) for name in chosen_scope.NAMES):
            return filters
        default = db.read.case_query(self.engine, "")[1].default
        own = chosen_scope.scope_fields(self.case.scope, default)
        return write_search([*own, *fields]) if own else filters

    @cached_property
    def place(self) -> tuple[db.read.CasePlace, list[str]]:
        """The case's place in the list, and a complaint if the address's filters are not understood.

        An address without a partition means the case's own, since a typed number can be of any partition.
        """
        filters, complaints = self.list_search, []
        try:
            place = db.read.neighbor_cases(self.engine, filters, self.case.case_id)
        except db.read.QueryError as error:
            filters = write_search(chosen_scope.scope_fields(self.case.scope, None))
            complaints = [words.unknown_filter_sentence(str(error))]
            place = db.read.neighbor_cases(self.engine, filters, self.case.case_id)
        fields = read_fields(filters)
        if place.position is None and "partition" not in dict(fields):
            own = write_search([*fields, ("partition", self.case.partition)])
            place = db.read.neighbor_cases(self.engine, own, self.case.case_id)
        return place, complaints
