"""Images by content and by id, and those that still need a repair sweep."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, select

from db.schema import cases, images, reference_samples, repairs, samples
from db.scope import Scope


def image_png(engine: Engine, sha256: str) -> bytes | None:
    """The PNG file of the image whose pixels have this hash (64 hexadecimal digits), or None."""
    with engine.connect() as connection:
        return connection.scalar(select(images.c.png).where(images.c.sha256 == sha256))


def images_without_repair(connection: Connection, scope: Scope) -> list[int]:
    """Ids of the images and originals of cases that were not repaired yet."""
    of_cases = select(cases.c.image_id).where(scope.of(cases))
    before = select(samples.c.image_id).join(cases, cases.c.sample_id == samples.c.id)
    wanted = of_cases.union(before.where(scope.of(cases))).subquery()
    done = select(repairs.c.image_id).where(scope.of(repairs))
    query = select(wanted.c.image_id).where(wanted.c.image_id.not_in(done)).order_by(wanted.c.image_id)
    return list(connection.execute(query).scalars())


def image_files(connection: Connection, ids: Sequence[int]) -> list[bytes]:
    """The PNG files of images, in the order of `ids`."""
    png_of = dict(
        map(tuple, connection.execute(select(images.c.id, images.c.png).where(images.c.id.in_(ids))))
    )
    return [png_of[id_] for id_ in ids]


def reference_image_ids(connection: Connection, scope: Scope) -> list[int]:
    """The images of the reference set, in the order of `stored_activations.reference_ids`."""
    query = select(samples.c.image_id).join(reference_samples, reference_samples.c.sample_id == samples.c.id)
    query = query.where(scope.of(reference_samples)).order_by(samples.c.position)
    return list(connection.execute(query).scalars())
