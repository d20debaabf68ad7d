"""Counts of where two networks agree on a data set: answers, attacks on the same images, transfers."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from db.query_types import AnySelect
from db.schema import attack_pixels, attacks, predictions, samples, transfer_matrix
from db.scope import Scope

NEAR = (0, 1, 3)  # pixels, in rows and columns


class Table(NamedTuple):
    """Images by whether something holds for the first and the second network."""

    both: int
    first: int  # for the first alone
    second: int
    neither: int

    @property
    def total(self) -> int:
        """All images."""
        return sum(self)

    @property
    def of_first(self) -> int:
        """Those for which it holds for the first network."""
        return self.both + self.first

    @property
    def of_second(self) -> int:
        """Those for which it holds for the second network."""
        return self.both + self.second


class SameAttacks(NamedTuple):
    """Successful untargeted attacks of one pixel on the same image, by the same method on both networks."""

    method: str
    attacks: int
    same_class: int
    near: tuple[int, ...]  # whose pixels are at most so many rows and columns apart, as in `NEAR`


class Transfer(NamedTuple):
    """Adversarial cases of one network as another one answers them."""

    network_id: int
    other_id: int
    dataset_id: int
    cases: int
    right_before: int  # whose original the other network gets right
    fooled: int  # of these
    same_class: int  # of these: answered as the attacked network does


def read_right_answers(connection: Connection, first: Scope, second: Scope) -> Table:
    """Test images that both networks have predicted, by who is right."""
    one, two = predictions.alias("one"), predictions.alias("two")
    right = [of.c.predicted_class == of.c.label for of in (one, two)]
    same = and_(one.c.split == two.c.split, one.c.position == two.c.position)
    query = (
        select(*_counts(*right))
        .select_from(one.join(two, same))
        .where(first.of(one), second.of(two), one.c.split == "test")
    )
    return Table(*(int(count or 0) for count in connection.execute(query).one()))


def read_same_attacks(connection: Connection, first: Scope, second: Scope) -> list[SameAttacks]:
    """Attacks that succeeded for both networks, by method; the same sets of colors and settings."""
    one, two = attacks.alias("one"), attacks.alias("two")
    pixel, other = attack_pixels.alias("pixel"), attack_pixels.alias("other")
    alike = [
        one.c[name] == two.c[name]
        for name in ("sample_id", "method", "variant", "pixel_count", "population", "budget", "seed")
    ]
    rows, columns = (func.abs(pixel.c[name] - other.c[name]) for name in ("row", "column"))
    query = (
        select(
            one.c.method,
            func.count(),
            _number(one.c.predicted_class == two.c.predicted_class),
            *(_number(and_(rows <= most, columns <= most)) for most in NEAR),
        )
        .select_from(
            one.join(two, and_(*alike))
            .join(samples, samples.c.id == one.c.sample_id)
            .join(pixel, and_(pixel.c.attack_id == one.c.id, pixel.c.pixel == 0))
            .join(other, and_(other.c.attack_id == two.c.id, other.c.pixel == 0))
        )
        .where(one.c.network_id == first.network_id, two.c.network_id == second.network_id)
        .where(one.c.target_class.is_(None), two.c.target_class.is_(None), one.c.pixel_count == 1)
        .where(one.c.succeeded, two.c.succeeded, samples.c.dataset_id == first.dataset_id)
        .group_by(one.c.method)
        .order_by(one.c.method)
    )
    return [
        SameAttacks(method, count, int(same), tuple(map(int, near)))
        for method, count, same, *near in connection.execute(query)
    ]


def read_transfers(
    connection: Connection, pair: tuple[Scope, Scope] | None = None
) -> dict[tuple[Scope, int], Transfer]:
    """How attacks transfer, by the attacked network on its data set and the other network's id.

    pair: these two networks alone; None: all of them.
    """
    of = transfer_matrix.c
    columns = (of.network_id, of.other_network_id, of.dataset_id)
    query: AnySelect = select(*columns, of.cases, of.right_before, of.fooled, of.same_class)
    if pair is not None:
        ids = [scope.network_id for scope in pair]
        query = query.where(of.dataset_id == pair[0].dataset_id)
        query = query.where(of.network_id.in_(ids), of.other_network_id.in_(ids))
    found = [Transfer(*map(int, row)) for row in connection.execute(query)]
    return {(Scope(one.network_id, one.dataset_id), one.other_id): one for one in found}


def _number(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((condition, 1), else_=0))


def _counts(one: ColumnElement[bool], two: ColumnElement[bool]) -> list[ColumnElement[Any]]:
    """How many rows fulfill both conditions, the first alone, the second alone, neither."""
    pairs = ((one, two), (one, ~two), (~one, two), (~one, ~two))
    return [_number(and_(*pair)) for pair in pairs]
