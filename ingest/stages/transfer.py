"""The stage `transfer`: what a network predicts for the adversarial cases of the others on a data set.

Each pass is one of the plain network, so it costs seconds. The other direction, its own cases as the others
predict them, is written when the others are next ingested or evaluated: their weights may not be at hand now.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy import Engine

from db.engine import writing
from db.read.for_ingest.images import image_files
from db.read.for_ingest.transfers import cases_without_transfer
from db.scope import Scope
from ingest import record
from ingest.runs import stage
from model.data.png import decode_png
from model.network.cnn import Network, predict

CHUNK = 500  # cases per transaction


def write_missing_transfers(engine: Engine, scope: Scope, network: Network) -> int:
    """Predict the cases that lack it, one transaction per chunk; returns how many those were."""
    with engine.connect() as connection:
        lacking = cases_without_transfer(connection, scope)
    if not lacking:
        return 0
    with stage(engine, "transfer", scope, {"cases": len(lacking)}) as run_id:
        for first in range(0, len(lacking), CHUNK):
            case_ids, image_ids = zip(*lacking[first : first + CHUNK], strict=True)
            with engine.connect() as connection:
                files = image_files(connection, image_ids)
            logits = predict(network, np.stack([decode_png(png) for png in files]))
            with writing(engine) as connection:
                record.write_transfers(connection, scope.network_id, run_id, case_ids, logits)
    return len(lacking)
