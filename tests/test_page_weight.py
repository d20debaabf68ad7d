"""The promise of the case view, kept by the benchmark that measures it: 300 KB at most beside libraries."""

import db.engine
import db.migrate
from benchmarks.pages import measured
from tests.support import database


def test_every_page_is_light_and_the_benchmark_finds_its_callbacks(tmp_path):
    path = tmp_path / "cases.db"
    engine = db.engine.create(path)
    db.migrate.upgrade(engine)
    database.fill(engine, per_group=4, references=60)
    engine.dispose()
    costs = dict(measured(str(path), repeats=0))
    assert max(cost.text + cost.images for cost in costs.values()) < 300_000
    # Document, layout, callbacks' list, router; the detectors' charts need the theme.
    assert (costs["case view"].requests, costs["detectors"].requests) == (4, 5)
    assert costs["case view, all neighbors"].image_count > costs["case view"].image_count > 2
    assert costs["case view, another layer"].requests == 1
    assert costs["case view, another layer"].text < costs["case view"].text
