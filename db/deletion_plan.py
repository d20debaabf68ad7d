"""The ids of the rows to delete with cases or a batch, found before anything is deleted.

Parts of a deleted row (see `db.schema`) are deleted with it and are not listed. Shared rows (samples, images,
repair sweeps and vulnerability maps) are deleted if no remaining row uses them. The reference set,
near-duplicates and predictions belong to the network and the data set, and stay.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    exists,
    false,
    not_,
    or_,
    select,
    union,
)

from db.bulk import among
from db.schema import (
    attack_images,
    attacks,
    batches,
    cases,
    images,
    metadata,
    repairs,
    runs,
    samples,
    vulnerability_maps,
)
from db.scope import Scope, same_scope

Ids = dict[str, list[int]]  # table -> the keys of its rows to delete
WAY = ("method", "variant", "pixel_count", "population", "budget", "seed")  # columns that define an attack


def rows_of_cases(connection: Connection, case_ids: Sequence[int]) -> Ids:
    """The rows to delete with cases, including their maps and the attacks of the same sweeps.

    The attack that a case came from stays: it is evidence of its own.
    """
    ids = _with_originals(case_ids)
    ways = _ways_of_all(connection, _scopes(connection, ids), None)
    ids["vulnerability_maps"] = _maps(connection, ids, ways, None)
    ids["attacks"] = _attacks(connection, ids, ways, None)
    return _shared(connection, ids)


def rows_of_batch(connection: Connection, batch_id: int) -> Ids:
    """The rows to delete with a batch: its cases, and those attacks and sweeps that no remaining row needs.

    Raises LookupError where there is no such batch.
    """
    scope = scope_of_batch(connection, batch_id)
    own = select(runs.c.id).where(runs.c.batch_id == batch_id)
    case_ids = connection.scalars(select(cases.c.id).where(cases.c.run_id.in_(own)))
    ids = _with_originals(case_ids) | {"batches": [batch_id]}
    ways = _ways_of_all(connection, [scope], batch_id)
    ids["vulnerability_maps"] = _maps(connection, ids, ways, batch_id)
    ids["attacks"] = _attacks(connection, ids, ways, batch_id)
    ids = _shared(connection, ids)
    ids["runs"] = _unused(connection, runs, list(connection.scalars(own)), ids)
    return ids


def scope_of_batch(connection: Connection, batch_id: int) -> Scope:
    """The network and data set of a batch. Raises LookupError where there is no such batch."""
    query = select(batches.c.network_id, batches.c.dataset_id).where(batches.c.id == batch_id)
    found = connection.execute(query).one_or_none()
    if found is None:
        raise LookupError(f"no batch {batch_id}: it was deleted meanwhile")
    return Scope(*found)


# ---- Parts ---------------------------------------------------------------------------------------


def _scopes(connection: Connection, ids: Ids) -> list[Scope]:
    """The networks and data sets of the deleted cases, and of the deleted attacks by their samples."""
    of_cases = select(cases.c.network_id, cases.c.dataset_id).where(goes(connection, cases, ids))
    of_attacks = select(attacks.c.network_id, samples.c.dataset_id).join(
        samples, samples.c.id == attacks.c.sample_id
    )
    both = union(of_cases, of_attacks.where(goes(connection, attacks, ids)))
    return [Scope(*row) for row in connection.execute(both)]


def _with_originals(case_ids: Iterable[int]) -> Ids:
    """The cases and their originals, which have parts of their own and the same keys."""
    keys = list(case_ids)
    return {"cases": keys, "originals": keys}


def _maps(
    connection: Connection, ids: Ids, ways: Sequence[Mapping[str, Any]], batch_id: int | None
) -> list[int]:
    """Vulnerability maps made by the batch, or of the cases' samples by a sweep without a batch; except those
    of a remaining case and those that an attack on every image needs.
    """
    maps, going = vulnerability_maps, goes(connection, cases, ids)
    of_sample = and_(cases.c.network_id == maps.c.network_id, cases.c.sample_id == maps.c.sample_id)
    made = and_(runs.c.batch_id.is_(None), exists().where(of_sample, going))
    if batch_id is not None:
        made = or_(made, runs.c.batch_id == batch_id)
    stays = exists().where(of_sample, not_(going))
    query = select(maps.c.id).join(runs, runs.c.id == maps.c.run_id).where(made, not_(stays))
    return list(connection.scalars(query.where(maps.c.variant.not_in({way["variant"] for way in ways}))))


def _attacks(
    connection: Connection, ids: Ids, ways: Sequence[Mapping[str, Any]], batch_id: int | None
) -> list[int]:
    """Attacks of the batch, and those of a sweep without a batch whose map is deleted; except those of a
    remaining case or map, and those that an attack on every image needs.
    """
    maps, going = vulnerability_maps, goes(connection, vulnerability_maps, ids)
    same = and_(
        maps.c.network_id == attacks.c.network_id,
        maps.c.sample_id == attacks.c.sample_id,
        maps.c.variant == attacks.c.variant,
    )
    made = and_(runs.c.batch_id.is_(None), exists().where(same, going))
    if batch_id is not None:
        made = or_(made, and_(runs.c.batch_id == batch_id, not_(exists().where(same, not_(going)))))
    used = exists().where(cases.c.attack_id == attacks.c.id, not_(goes(connection, cases, ids)))
    query = select(attacks.c.id).join(runs, runs.c.id == attacks.c.run_id).where(made, not_(used))
    for way in ways:
        query = query.where(not_(and_(*(attacks.c[name] == value for name, value in way.items()))))
    return list(connection.scalars(query))


def _ways_of_all(
    connection: Connection, scopes: Sequence[Scope], batch_id: int | None
) -> list[Mapping[str, object]]:
    """The ways in which other batches attack every image: there any such attack counts, from any run."""
    mine = or_(false(), *(scope.of(batches) for scope in scopes))
    query = select(batches.c.id, batches.c.parameters).where(mine)
    whole = [id_ for id_, of in connection.execute(query) if of.get("all_test") and id_ != batch_id]
    made = select(*(attacks.c[name] for name in WAY)).join(runs, runs.c.id == attacks.c.run_id)
    ways = connection.execute(made.where(runs.c.batch_id.in_(whole)).distinct())
    return [dict(way) for way in ways.mappings()]


def _shared(connection: Connection, ids: Ids) -> Ids:
    """The ids with the repair sweeps, samples and images that no remaining row uses."""
    of_cases, of_attacks = goes(connection, cases, ids), goes(connection, attacks, ids)
    touched = list(
        connection.scalars(
            union(
                select(cases.c.sample_id).where(of_cases),
                select(attacks.c.sample_id).where(of_attacks),
                select(vulnerability_maps.c.sample_id).where(goes(connection, vulnerability_maps, ids)),
            )
        )
    )
    painted = select(attack_images.c.image_id).join(attacks, attacks.c.id == attack_images.c.attack_id)
    before = select(samples.c.image_id).where(among(connection, samples.c.id, touched))
    seen = list(
        connection.scalars(union(select(cases.c.image_id).where(of_cases), painted.where(of_attacks), before))
    )
    ids = {**ids, "repairs": _repairs(connection, seen, ids)}
    ids["samples"] = _unused(connection, samples, touched, ids)
    ids["images"] = _unused(connection, images, seen, ids)
    return ids


def _repairs(connection: Connection, image_ids: Sequence[int], ids: Ids) -> list[int]:
    """Repair sweeps of images of no remaining case, before or after its attack, or remaining attack."""
    stays = not_(goes(connection, cases, ids))
    of_scope = same_scope(cases, repairs)
    of_case = exists().where(of_scope, cases.c.image_id == repairs.c.image_id, stays)
    was = and_(samples.c.id == cases.c.sample_id, samples.c.image_id == repairs.c.image_id)
    before = exists().where(of_scope, was, stays)
    led = exists().where(
        attack_images.c.image_id == repairs.c.image_id,
        attacks.c.id == attack_images.c.attack_id,
        attacks.c.network_id == repairs.c.network_id,
        samples.c.id == attacks.c.sample_id,
        samples.c.dataset_id == repairs.c.dataset_id,
        not_(goes(connection, attacks, ids)),
    )
    mine = or_(false(), *(scope.of(repairs) for scope in _scopes(connection, ids)))
    query = select(repairs.c.id).where(among(connection, repairs.c.image_id, image_ids))
    return list(connection.scalars(query.where(mine, not_(or_(of_case, before, led)))))


def _unused(connection: Connection, table: Table, candidates: Sequence[int], ids: Ids) -> list[int]:
    """The candidate rows of a table that no remaining row refers to."""
    query = select(table.c.id).where(among(connection, table.c.id, candidates))
    for column in references_to(table):
        stays = not_(goes(connection, column.table, ids))
        query = query.where(not_(exists().where(column == table.c.id, stays)))
    return list(connection.scalars(query.order_by(table.c.id)))


def references_to(table: Table) -> Iterator[Column[Any]]:
    """The columns, of any table, that refer to this one."""
    for other in metadata.sorted_tables:
        for key in other.foreign_keys:
            if key.column.table is table:
                yield key.parent


def goes(connection: Connection, table: Table, ids: Ids) -> ColumnElement[bool]:
    """Whether a row of the table is deleted: it is listed in `ids`, or a part of a listed row."""
    (key, *_) = table.primary_key.columns
    of = [among(connection, key, ids[table.name])] if table.name in ids else []
    of += [among(connection, column, ids[owner]) for column, owner in owners(table) if owner in ids]
    return or_(false(), *of)


def owners(table: Table) -> list[tuple[Column[Any], str]]:
    """The columns that make a row a part of another one, each with the other row's table."""
    return [(key.parent, key.column.table.name) for key in table.foreign_keys if key.ondelete == "CASCADE"]
