"""Adversarial cases of other networks that a network has not predicted yet."""

from sqlalchemy import Connection, select

from db.schema import cases, transfers
from db.scope import Scope


def cases_without_transfer(connection: Connection, scope: Scope) -> list[tuple[int, int]]:
    """Ids of such cases of the data set and of their images, by case."""
    known = select(transfers.c.case_id).where(
        transfers.c.case_id == cases.c.id, transfers.c.network_id == scope.network_id
    )
    query = (
        select(cases.c.id, cases.c.image_id)
        .where(cases.c.dataset_id == scope.dataset_id, cases.c.network_id != scope.network_id)
        .where(cases.c.kind == "adversarial", ~known.exists())
        .order_by(cases.c.id)
    )
    return [(case_id, image_id) for case_id, image_id in connection.execute(query)]
