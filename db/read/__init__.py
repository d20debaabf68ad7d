"""Questions that a page or a command asks, one function each, with typed rows for answers."""

from db.read.case import case_activations, case_decisions, case_detail, case_neighbors
from db.read.case_rows import (
    CaseActivation,
    CaseAttack,
    CaseDecision,
    CaseDetail,
    CaseImage,
    CaseLayer,
    CaseNeighbor,
    CasePixel,
    CaseScore,
)
from db.read.cases import CaseList, CasePlace, Overview, case_exists, list_cases, neighbor_cases, overview
from db.read.images import image_png
from db.read.listed import ListedCase, ListedDecision, ListedPixel
from db.read.query import (
    PAGE_SIZE,
    SORTS,
    CaseOptions,
    CaseQuery,
    LayerOption,
    NetworkOption,
    QueryError,
    case_query,
)

__all__ = [
    "PAGE_SIZE",
    "SORTS",
    "CaseActivation",
    "CaseAttack",
    "CaseDecision",
    "CaseDetail",
    "CaseImage",
    "CaseLayer",
    "CaseList",
    "CaseNeighbor",
    "CaseOptions",
    "CasePixel",
    "CasePlace",
    "CaseQuery",
    "CaseScore",
    "LayerOption",
    "ListedCase",
    "ListedDecision",
    "ListedPixel",
    "NetworkOption",
    "Overview",
    "QueryError",
    "case_activations",
    "case_decisions",
    "case_detail",
    "case_exists",
    "case_neighbors",
    "case_query",
    "image_png",
    "list_cases",
    "neighbor_cases",
    "overview",
]
