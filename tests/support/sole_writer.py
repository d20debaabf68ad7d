"""Only `ingest.record` writes what a network made of images: any other code that does so fails its test."""

import re
import sys
from pathlib import Path

from sqlalchemy import Engine, event

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "ingest" / "record"
# Rows of these are made and written in one place.
RECORDED = {
    "datasets",
    "classes",
    "images",
    "samples",
    "networks",
    "layers",
    "batches",
    "attacks",
    "attack_pixels",
    "attack_images",
    "cases",
    "class_scores",
    "case_activations",
    "originals",
    "original_activations",
    "reference_samples",
    "reference_activations",
    "near_duplicate_pairs",
    "predictions",
    "vulnerability_maps",
    "repairs",
}
INSERTS = re.compile(r'INSERT INTO "?(\w+)"?')


def forbid_others() -> None:
    """Let every INSERT into these tables fail that code of `ingest` makes outside of `ingest.record`."""
    event.listen(Engine, "before_cursor_execute", _require_record)


def _require_record(_connection, _cursor, statement: str, *_) -> None:
    inserts = INSERTS.match(statement)
    if not inserts or inserts[1] not in RECORDED:
        return
    writer = _writer_of_ingest()
    if writer is not None and not writer.is_relative_to(RECORD):
        raise AssertionError(f"a row of {inserts[1]} written by {writer.relative_to(ROOT)}")


def _writer_of_ingest() -> Path | None:
    """The file of `ingest` that comes first on the way up the stack; None: it is not at work."""
    frame = sys._getframe()
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT / "ingest"):
            return path
        frame = frame.f_back
    return None
