"""The values of facets: as an address has them, as the database has them."""

from typing import Any

from db.facet_type import Facet, Kind
from db.read.case_list.options import CaseOptions

TRUE = (True, "1", "true")  # as a column has it, and as SQLite and PostgreSQL write it as text


def stored_values(facet: Facet, values: tuple[str, ...], options: CaseOptions) -> list[Any]:
    """Values of an address as the facet's column has them; each has to be a choice."""
    if facet.kind is Kind.CLASS:
        numbers = {name: number for number, name in options.class_names.items()}
        return [numbers[value] for value in values]
    if facet.kind is Kind.NUMBER:
        return list(map(int, values))
    if facet.kind is Kind.YES_NO:
        return [value == "yes" for value in values]
    return list(values)


def address_value(facet: Facet, stored: Any, options: CaseOptions) -> str:
    """What a facet's column has, or that as text, as an address has it."""
    if facet.kind is Kind.CLASS:
        return options.class_names[int(stored)]
    if facet.kind is Kind.YES_NO:
        return "yes" if stored in TRUE else "no"
    return str(stored)
