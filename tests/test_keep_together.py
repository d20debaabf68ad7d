"""Two `xpixels check --keep` at once keep two images, each its own."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sqlalchemy import select

from db import engine as engines
from db import migrate, schema
from db.read.for_ingest.detectors import KnownNetwork
from ingest.check import keep

NETWORK = KnownNetwork(1, 1, "network", "0" * 64, "cifar10", ("cat", "dog"))


def place(connection, shade):
    """Write an image of one gray as a kept sample; gives its id."""
    image = np.full((1, 32, 32, 3), shade, np.uint8)
    ((sample_id, _),) = keep.write_kept_samples(connection, NETWORK, image, [None], [0])
    return sample_id


def test_images_that_are_kept_at_once_have_places_of_their_own(fresh):
    engine = fresh()
    others = engines.create(migrate.name(engine))
    with engines.writing(engine) as connection:
        kept = [place(connection, 1)]

    def keep_another():
        with engines.writing(others) as connection:
            return place(connection, 3)

    with ThreadPoolExecutor(1) as thread:
        with engines.writing(engine) as connection:
            kept.append(place(connection, 2))
            waiting = thread.submit(keep_another)
            if engines.locks_rows(engine):
                while not waits(engine):
                    assert not waiting.done()
        kept.append(waiting.result())
    with engine.connect() as connection:
        samples = schema.samples.c
        found = connection.execute(select(samples.id, samples.position).order_by(samples.id))
        assert list(map(tuple, found)) == list(zip(kept, range(3), strict=True))
    others.dispose()


def waits(engine):
    with engine.connect() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return connection.exec_driver_sql(query + " AND datname = current_database()").scalar()
