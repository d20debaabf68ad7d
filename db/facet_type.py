"""What a facet of the case list is made of: see `db.facet_register` for those that there are."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from sqlalchemy import ColumnElement

from db.query_types import AnySelect


class Kind(Enum):
    """What the values of a facet are."""

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
    PLACE = auto()  # sorted by, and no filter


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
    column: str = ""  # of `case_facets`; '': none
    value: ColumnElement[Any] | None = None  # what `column` holds; None: it is there anyway
    counted: bool = False  # in `facet_cells`, under the same column; others are counted case by case
    of_detector: bool = False  # `column` is one of `detector_decisions`, of the shown detector
    beside: Mapping[str, ColumnElement[Any]] = field(default_factory=dict)  # further columns and their values
    sort: tuple[str, ...] = ()  # columns that the list is sorted by under this name; (): it cannot be
    hint: str = ""  # shown over the title
    choices: tuple[str, ...] | None = None  # values that can be asked for; None: those that cases have
    seldom: tuple[str, ...] = ()  # choices that the page leaves out while no case has them
    any_value: bool = False  # a value that no case has matches nothing; otherwise it is refused
    labels: AnySelect | None = None  # (value, how it is shown), where the database has names for them
    label: Callable[[str], str] = str  # how a value is shown otherwise
    on_page: bool = True  # as a section of the page
    is_open: bool = False  # as the page comes
    at_least: int = 2  # values that cases have to have for the section to be of use
    frequent_first: bool = False  # the most frequent values alone, by frequency
    in_overview: bool = False  # `case_overview` tells it: an export needs no other column

    @property
    def is_range(self) -> bool:
        """Whether it is filtered by low..high."""
        return self.kind in (Kind.RANGE, Kind.COUNT_RANGE)

    @property
    def is_choice(self) -> bool:
        """Whether it is filtered by values, of which a case has to have one."""
        return self.kind is not Kind.PLACE and not self.is_range

    @property
    def is_written(self) -> bool:
        """Whether it is about what people wrote."""
        return self.kind in (Kind.ANNOTATION, Kind.ANNOTATED)

    @property
    def columns(self) -> dict[str, ColumnElement[Any]]:
        """The columns of `case_facets` that come with it, and what they hold."""
        own = {} if self.value is None else {self.column: self.value}
        return own | dict(self.beside)


def on_page(facets: Iterable[Facet]) -> list[Facet]:
    """In the order of the page: one group after the other, in each as they stand in the register."""
    groups = list(Group)
    return sorted(facets, key=lambda facet: groups.index(facet.group))
