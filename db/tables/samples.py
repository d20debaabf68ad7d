"""Tables of what is attacked (data sets, images, samples, networks, layers), of the batches and runs that
wrote it, and of a network's predictions for every image of a split.
"""

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from db.tables.columns import (
    boolean,
    check,
    identity,
    integer,
    json,
    key,
    metadata,
    number,
    one_of,
    reference,
    scope,
    words,
)
from db.vocabulary import SPLITS, STATUSES

# Identifies this database, so that a replaced file is noticed. One row.
database_identity = Table(
    "database_identity",
    metadata,
    key("id"),
    words("uuid"),
    words("created_at"),
    check("id", "id = 1"),
)

datasets = Table(
    "datasets",
    metadata,
    identity(),
    words("name", unique=True),
    words("source"),
    words("created_at"),
)

classes = Table(
    "classes",
    metadata,
    reference("dataset_id", "datasets.id", owned=True, primary_key=True),
    key("class"),
    words("name"),
    UniqueConstraint("dataset_id", "name"),
    check("class", "class >= 0"),
    sqlite_with_rowid=False,
)

images = Table(
    "images",
    metadata,
    identity(),
    words("sha256", unique=True),  # of the pixels and their shape, hexadecimal: one row a picture
    integer("height"),
    integer("width"),
    Column("png", LargeBinary, nullable=False),
    check("sha256", "length(sha256) = 64"),
    check("size", "height > 0 AND width > 0"),
)

samples = Table(
    "samples",
    metadata,
    identity(),
    reference("dataset_id", "datasets.id"),
    words("split"),
    integer("position"),  # in its split, from 0
    integer("label"),
    reference("image_id", "images.id", index=True),
    Column("name", Text),  # of the file that it came from; NULL: it has none
    UniqueConstraint("dataset_id", "split", "position"),
    one_of("split", SPLITS),
    check("position", "position >= 0"),
    check("label", "label >= 0"),
)

# The same weights are one row, whatever data they meet.
networks = Table(
    "networks",
    metadata,
    identity(),
    words("name"),
    words("sha256", unique=True),  # of the weights, hexadecimal
    json("description"),
    words("created_at"),
    check("sha256", "length(sha256) = 64"),
)

# The data sets that a network has met, and what it reached there. Each pair has a reference set, cases,
# detectors and evaluations of its own: their rows name both (see `db.scope`).
network_datasets = Table(
    "network_datasets",
    metadata,
    *scope(key=True, owned=True),
    Column("test_accuracy", Double),  # share of the test split, [0, 1]; NULL: not measured
    words("created_at"),
    check("test_accuracy", "test_accuracy BETWEEN 0 AND 1"),
    sqlite_with_rowid=False,
)

layers = Table(
    "layers",
    metadata,
    identity(),
    reference("network_id", "networks.id", owned=True),
    words("name"),
    words("kind"),
    integer("position"),  # from the input to the output, from 0
    json("shape"),
    boolean("compared"),  # neighbors are searched here; the others are for viewing
    words("title"),  # what people read in place of the name
    words("note"),  # what the layer holds, in a few words
    UniqueConstraint("network_id", "name"),
    UniqueConstraint("network_id", "position"),
    check("position", "position >= 0"),
)

# One way of making cases: all settings that distinguish one ingest from another, except the number of cases.
batches = Table(
    "batches",
    metadata,
    identity(),
    *scope(),
    words("name"),  # by people, or made from the parameters
    json("parameters"),
    words("method"),  # of the attack that its cases come from
    integer("pixel_count"),
    integer("seed"),
    words("created_at"),
    UniqueConstraint("network_id", "dataset_id", "name"),
    check("name", "length(name) > 0"),
    check("pixel_count", "pixel_count >= 1"),
    sqlite_autoincrement=True,  # ids are not reused
)

runs = Table(
    "runs",
    metadata,
    identity(),
    reference("network_id", "networks.id", nullable=True),  # NULL: it began before they were known
    words("stage"),
    words("status"),
    json("parameters"),
    Column("seed", Integer),
    words("code_version"),
    Column("process", Text),  # host, process id and its start: distinguishes a dead run from a running one
    words("started_at"),
    Column("finished_at", Text),
    Column("seconds", Double),
    Column("message", Text),
    reference("batch_id", "batches.id", nullable=True, index=True),  # NULL: of no batch, as tuning
    reference("dataset_id", "datasets.id", nullable=True),  # NULL as the network
    Index(None, "network_id", "dataset_id"),
    Index(None, "status"),
    one_of("status", STATUSES),
    check("finished", "(status = 'running') = (finished_at IS NULL)"),
)

# A part of a stage's work that is not done yet. Ingest workers on a server take one each, by a lock on its
# row, and delete it when it is done; on SQLite there are none.
chunks = Table(
    "chunks",
    metadata,
    identity(),
    reference("run_id", "runs.id", owned=True, index=True),
    words("work"),
    json("arguments"),
    integer("item_count"),
    check("item_count", "item_count >= 1"),
)

# A network's prediction for every image of a split, whether it is a case or not.
predictions = Table(
    "predictions",
    metadata,
    *scope(key=True, owned=True),
    key("split", Text),  # of the data set
    key("position"),
    integer("label"),
    integer("predicted_class"),
    number("confidence"),  # softmax probability of the predicted class, [0, 1]
    Column("logits", LargeBinary, nullable=False),  # numpy.frombuffer(logits, "<f4"), one a class
    reference("run_id", "runs.id", index=True),
    one_of("split", SPLITS),
    check("position", "position >= 0"),
    check("classes", "label >= 0 AND predicted_class >= 0"),
    check("confidence", "confidence BETWEEN 0 AND 1"),
)
