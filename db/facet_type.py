"""The type of the facets of the case list; `db.facet_register` lists all facets."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from sqlalchemy import ColumnElement

from db.query_types import AnySelect


class Kind(Enum):
    """The kind of a facet's values."""

    TEXT = auto()
    NUMBER = auto()  # whole numbers, each a choice
    YES_NO = auto()
    CLASS = auto()  # a class: its number in the database, its name in an address
    LAYER = auto()  # a layer that joins no others, or none
    LAYERS = auto()  # compared layers with '+' between them, or none
    RANGE = auto()  # float64, filtered by low..high
    COUNT_RANGE = auto()  # whole numbers, filtered by low..high
    ANNOTATION = auto()  # what people wrote: the bodies of the annotations of this name
    ANNOTATED = auto()  # whether people wrote an annotation of this name
    PLACE = auto()  # only to sort by, not a filter


class Group(Enum):
    """What a facet is about. The page has one group after the other, each in the order of the register."""

    CASE = auto()
    DECISION = auto()
    GOAL = auto()
    ATTACK = auto()
    BATCH = auto()
    COST = auto()
    PEOPLE = auto()


@dataclass(frozen=True, eq=False)
class Facet:
    """Something that the case list is filtered by, sorted by or counted by."""

    name: str  # in an address
    title: str  # of its section on the page
    kind: Kind
    group: Group
    column: str = ""  # in `case_facets`; '': none
    value: ColumnElement[Any] | None = None  # what `column` holds; None: the column exists anyway
    counted: bool = False  # in `facet_cells`, under the same column; others are counted case by case
    of_detector: bool = False  # `column` is one of `detector_decisions`, of the shown detector
    beside: Mapping[str, ColumnElement[Any]] = field(default_factory=dict)  # further columns and their values
    sort: tuple[str, ...] = ()  # columns that the list is sorted by under this name; (): not sortable
    hint: str = ""  # shown over the title
    choices: tuple[str, ...] | None = None  # values to choose from; None: those that cases have
    seldom: tuple[str, ...] = ()  # choices that the page leaves out while no case has them
    any_value: bool = False  # a value that no case has matches nothing; otherwise it is refused
    labels: AnySelect | None = None  # (value, label), where the database has labels
    label: Callable[[str], str] = str  # makes the label of a value otherwise
    on_page: bool = True  # as a section of the page
    is_open: bool = False  # when the page opens
    at_least: int = 2  # how many values cases must have for the section to be useful
    frequent_first: bool = False  # only the most frequent values, by frequency
    in_overview: bool = False  # `case_overview` has it: an export needs no other column

    @property
    def is_range(self) -> bool:
        """Whether it is filtered by low..high."""
        return self.kind in (Kind.RANGE, Kind.COUNT_RANGE)

    @property
    def is_choice(self) -> bool:
        """Whether it is filtered by a set of values: a case must have one of them."""
        return self.kind is not Kind.PLACE and not self.is_range

    @property
    def is_written(self) -> bool:
        """Whether it is about what people wrote."""
        return self.kind in (Kind.ANNOTATION, Kind.ANNOTATED)

    @property
    def columns(self) -> dict[str, ColumnElement[Any]]:
        """Its columns in `case_facets`, and what they hold."""
        own = {} if self.value is None else {self.column: self.value}
        return own | dict(self.beside)


def on_page(facets: Iterable[Facet]) -> list[Facet]:
    """The facets in the order of the page: group by group, each in the order of the register."""
    groups = list(Group)
    return sorted(facets, key=lambda facet: groups.index(facet.group))
