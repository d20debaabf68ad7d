"""The state of the case list as the query string of an address: filters, ranges, order, view, page.

Names and values are checked against the contents of the database before they are used in SQL; a wrong one
raises `QueryError`, which names the value and what is allowed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import Engine

from db.facet_register import FACETS, PARTITION
from db.facet_type import Facet, Kind, on_page
from db.read.case_list.options import CaseOptions, case_options
from db.read.chosen_scope import NAMES as SCOPE_NAMES
from db.read.chosen_scope import scope_fields
from db.read.query_string import read_fields, write_search
from db.read.refusal import QueryError
from db.scope import Scope

PAGE_SIZE = 50
PARTITIONS = ("validation", "tuning", "checked", "all")  # the first is the default
VIEWS = ("table", "gallery")
# Addresses keep these names in this order; the names of later facets follow in the order of the register.
FIRST_NAMES = (
    *("kind", "outcome", "alarms", "divergence", "true", "predicted", "target", "recovered"),
    *("method", "goal", "confidence", "unexpected"),
)
IN_ADDRESSES = sorted(
    (facet for facet in FACETS if facet is not PARTITION),
    key=lambda facet: FIRST_NAMES.index(facet.name) if facet.name in FIRST_NAMES else len(FIRST_NAMES),
)
# Each filter may be given several times: a case has to have one of the values.
FILTERS = {facet.name: facet for facet in IN_ADDRESSES if facet.is_choice}
RANGES = {facet.name: facet for facet in IN_ADDRESSES if facet.is_range}  # low..high, one end may be left out
SORTS = ("case", *(facet.name for facet in on_page(FACETS) if facet.sort))


class Range(NamedTuple):
    """Bounds, both included; None: open."""

    low: float | None
    high: float | None

    def __str__(self) -> str:
        """The range as addresses write it."""
        return "..".join(self.ends)

    @property
    def ends(self) -> tuple[str, str]:
        """Both bounds as addresses write them, without an exponent; '': open."""
        low, high = ("" if end is None else f"{end:.12f}".rstrip("0").rstrip(".") for end in self)
        return low, high


class Order(NamedTuple):
    """One key of the order."""

    name: str
    descending: bool = False

    def __str__(self) -> str:
        """The key as addresses write it: the name, with '-' before it for descending."""
        return "-" * self.descending + self.name


DEFAULT_ORDER = (Order("case"),)


@dataclass(frozen=True)
class CaseQuery:
    """Filters, order, view and page of the case list. Made by `case_query`, which checks it."""

    partition: str = PARTITIONS[0]
    detector: str = ""  # whose outcome is shown, filtered and counted: a layer, `repair` or a baseline
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # no entry: any value
    ranges: Mapping[str, Range] = field(default_factory=dict)
    find: str = ""  # case numbers, or words of a note or of a file's name
    order: tuple[Order, ...] = DEFAULT_ORDER
    view: str = VIEWS[0]
    page: int = 1
    scope: Scope | None = None
    default_detector: str = ""  # left out of addresses
    default_scope: Scope | None = None

    def search(self) -> str:
        """The query string, '?...' in a fixed order and without defaults, or ''."""
        fields = scope_fields(self.scope, self.default_scope)
        if self.partition != PARTITIONS[0]:
            fields.append(("partition", self.partition))
        if self.detector != self.default_detector:
            fields.append(("detector", self.detector))
        fields += [(name, value) for name in FILTERS for value in self.filters.get(name, ())]
        fields += [(name, self.ranges[name]) for name in RANGES if name in self.ranges]
        if self.find:
            fields.append(("find", self.find))
        if self.order != DEFAULT_ORDER:
            fields.append(("sort", ",".join(map(str, self.order))))
        if self.view != VIEWS[0]:
            fields.append(("view", self.view))
        if self.page != 1:
            fields.append(("page", self.page))
        return write_search(fields)

    def but(self, **changes: Any) -> "CaseQuery":
        """A copy with `changes`, on the first page unless a page is given."""
        return replace(self, **{"page": 1} | changes)

    def only(self, name: str, *values: str) -> "CaseQuery":
        """A copy with these values of a filter; none: any."""
        others = {other: chosen for other, chosen in self.filters.items() if other != name}
        return self.but(filters=others | ({name: values} if values else {}))

    def toggled(self, name: str, value: str) -> "CaseQuery":
        """A copy with a value of a filter added, or removed if it is already chosen."""
        chosen = self.filters.get(name, ())
        left = tuple(other for other in chosen if other != value)
        return self.only(name, *(left if value in chosen else (*chosen, value)))

    def within(self, name: str, bounds: Range | None) -> "CaseQuery":
        """A copy with a range; None: any value."""
        others = {other: chosen for other, chosen in self.ranges.items() if other != name}
        return self.but(ranges=others | ({name: bounds} if bounds else {}))

    def sorted_by(self, name: str, *, descending_first: bool) -> "CaseQuery":
        """A copy with `name` as the first key, in reverse if it is that already.

        The key that was first becomes the second: two clicks sort by two columns.
        """
        first = self.order[0]
        descending = not first.descending if first.name == name else descending_first
        others = tuple(key for key in self.order if key.name not in (name, "case"))
        chosen = (Order(name, descending), *others[:2])
        return self.but(order=chosen if name != "case" else (Order("case", descending),))

    def then_sorted_by(self, name: str, *, descending_first: bool) -> "CaseQuery":
        """A copy with `name` as a further key after the others, or reversed in its place if it is one."""
        if name == "case" or self.order[0].name == "case":
            return self.sorted_by(name, descending_first=descending_first)
        if any(key.name == name for key in self.order):
            turned = (Order(key.name, not key.descending) if key.name == name else key for key in self.order)
            return self.but(order=tuple(turned))
        return self.but(order=(*self.order[:2], Order(name, descending_first)))

    def unfiltered(self) -> "CaseQuery":
        """A copy with the same network, data set, detector, order and view, but without filters."""
        return self.but(partition=PARTITIONS[0], filters={}, ranges={}, find="")

    @property
    def is_filtered(self) -> bool:
        """Whether there are filters besides the default partition."""
        return bool(self.partition != PARTITIONS[0] or self.filters or self.ranges or self.find)


ONCE = (*SCOPE_NAMES, "partition", "detector", *RANGES, "find", "sort", "view", "page")
NAMES = (*SCOPE_NAMES, "partition", "detector", *FILTERS, *ONCE[4:])


def case_query(engine: Engine, search: str, *, others: bool = False) -> tuple[CaseQuery, CaseOptions]:
    """Read a query string ('?kind=clean&...' or '') and check it against the database.

    `others`: ignore names that the list does not have (the case view has its own) instead of refusing them.
    Raises `QueryError` for an invalid name, value or repetition.
    """
    fields: dict[str, list[str]] = {}
    for name, value in read_fields(search):
        if "\0" in value:
            raise QueryError(f"The address has a value of {name} that is no text", "text")
        if name == "layer" and not others:
            name = "detector"  # its name in addresses before version 0.4
        if name not in NAMES:
            if others:
                continue
            raise QueryError(f"There is no filter '{name}'", NAMES)
        if name in fields and name in ONCE:
            both = f"'{fields[name][0]}' and '{value}'"
            raise QueryError(f"The address has two values of {name}, {both}", "one")
        fields.setdefault(name, []).append(value)
    once = {name: values[0] for name, values in fields.items() if name in ONCE}
    with engine.connect() as connection:
        options = case_options(connection, *(once.get(name) for name in SCOPE_NAMES))
    for name, facet in FILTERS.items():
        for value in fields.get(name, ()):
            if not _can_be(facet, value, options):
                raise _unknown(name, value, tuple(options.choices[name]))
    singles = {"partition": PARTITIONS, "detector": options.detectors, "view": VIEWS}
    for name, values in singles.items():
        if name in once and once[name] not in values:
            raise _unknown(name, once[name], values)
    default = options.default_detector
    return CaseQuery(
        partition=once.get("partition", PARTITIONS[0]),
        detector=once.get("detector", default),
        filters={name: tuple(dict.fromkeys(fields[name])) for name in FILTERS if name in fields},
        ranges={name: _range(name, once[name]) for name in RANGES if name in once},
        find=_find(once.get("find", "")),
        order=_order(once.get("sort", "case")),
        view=once.get("view", VIEWS[0]),
        page=_page(once.get("page", "1")),
        scope=options.scope,
        default_detector=default,
        default_scope=options.default,
    ), options


def found_ids(find: str) -> tuple[tuple[int, int], ...] | None:
    """The case numbers that `find` lists ('12, 15-20'), as ranges; None: it is words."""
    parts = [part.strip().lstrip("#") for part in find.split(",") if part.strip()]
    matches = [re.fullmatch(r"([0-9]{1,9})(?:\s*-\s*([0-9]{1,9}))?", part, re.ASCII) for part in parts]
    ranges = tuple((int(match[1]), int(match[2] or match[1])) for match in matches if match)
    return ranges if parts and len(ranges) == len(parts) else None


def _can_be(facet: Facet, value: str, options: CaseOptions) -> bool:
    """Whether a value is valid for a filter.

    Tags come and go, and after a new tuning, other layers may alarm together: such a value is valid, and
    matches nothing.
    """
    if facet.any_value or value in options.choices[facet.name]:
        return True
    return facet.kind is Kind.LAYERS and {layer.name for layer in options.layers}.issuperset(value.split("+"))


def _unknown(name: str, value: str, allowed: tuple[str, ...]) -> QueryError:
    return QueryError(f"The address asks for {name} '{value}', which does not exist", allowed)


def _range(name: str, text: str) -> Range:
    number = r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?"
    match = re.fullmatch(rf"({number})?\.\.({number})?", text, re.ASCII)
    ends = match.groups() if match else (None, None)
    low, high = (None if end is None else float(end) for end in ends)
    if (low is None and high is None) or (low is not None and high is not None and low > high):
        expected = "low..high, low.. or ..high, such as 0.5..0.9"
        raise QueryError(f"The address asks for {name} '{text}', which is no range", expected)
    return Range(low, high)


def _find(text: str) -> str:
    text = text.strip()
    if len(text) > 200:
        raise QueryError(f"The address looks for a text of {len(text)} characters", "200 at most")
    return text


def _order(text: str) -> tuple[Order, ...]:
    keys = tuple(Order(name.removeprefix("-"), name.startswith("-")) for name in text.split(","))
    for key in keys:
        if key.name not in SORTS:
            raise QueryError(
                f"The address asks for sort '{key}', which does not exist",
                (*SORTS, "each also with '-' before it, descending; several with ',' between them"),
            )
    if len({key.name for key in keys}) < len(keys):
        raise QueryError(f"The address asks for sort '{text}', which has a name twice", SORTS)
    return keys


def _page(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0):
        raise QueryError(f"The address asks for page '{text}', which does not exist", "a whole number from 1")
    return int(text)
