"""The paper's k for a network on a data set."""

import math
from collections.abc import Mapping

from sqlalchemy import Connection, Engine, select

from db import paper
from db.schema import datasets, layers
from db.scope import Scope
from db.vocabulary import SINGLE_KINDS


def paper_ks(engine: Engine, scope: Scope | None) -> Mapping[str, int]:
    """The paper's k by layer; empty if it is not the paper's network on its data set."""
    if scope is None:
        return paper.NONE
    with engine.connect() as connection:
        return paper_ks_of(connection, scope)


def paper_ks_of(connection: Connection, scope: Scope) -> Mapping[str, int]:
    """The same within a transaction."""
    single = layers.c.compared, layers.c.kind.in_(SINGLE_KINDS), layers.c.network_id == scope.network_id
    rows = connection.execute(select(layers.c.name, layers.c.shape).where(*single))
    dataset = connection.scalar(select(datasets.c.name).where(datasets.c.id == scope.dataset_id))
    return paper.paper_ks(dataset or "", [(row.name, math.prod(row.shape)) for row in rows])
