"""Convert the values of facets between addresses and the database."""

from typing import Any

from db.facet_type import Facet, Kind
from db.read.case_list.options import CaseOptions

TRUE = (True, "1", "true")  # in a column, and as text from SQLite and PostgreSQL


def stored_values(facet: Facet, values: tuple[str, ...], options: CaseOptions) -> list[Any]:
    """Convert values of an address to those of the facet's column; each has to be a choice."""
    if facet.kind is Kind.CLASS:
        numbers = {name: number for number, name in options.class_names.items()}
        return [numbers[value] for value in values]
    if facet.kind is Kind.NUMBER:
        return list(map(int, values))
    if facet.kind is Kind.YES_NO:
        return [value == "yes" for value in values]
    return list(values)


def address_value(facet: Facet, stored: Any, options: CaseOptions) -> str:
    """Convert a value of a facet's column, or its text, to that of an address."""
    if facet.kind is Kind.CLASS:
        return options.class_names[int(stored)]
    if facet.kind is Kind.YES_NO:
        return "yes" if stored in TRUE else "no"
    return str(stored)
