"""Tables of attacks, maps of sweeps, cases, a network's class scores, and people's annotations."""

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, Table, Text, UniqueConstraint, text

from db.tables.columns import (
    boolean,
    check,
    color_checks,
    colors,
    identity,
    integer,
    key,
    metadata,
    number,
    one_of,
    reference,
    scope,
    words,
)
from db.vocabulary import CASE_KINDS, CASE_PARTITIONS, SCREENINGS

VERDICTS = ("real attack", "near boundary", "mislabeled", "looks fine", "unclear")  # of people about a case

attacks = Table(
    "attacks",
    metadata,
    identity(),
    reference("run_id", "runs.id", index=True),
    reference("network_id", "networks.id"),
    reference("sample_id", "samples.id", index=True),
    words("method"),
    Column("target_class", Integer),  # NULL: any class but the true one
    integer("pixel_count"),
    integer("population"),  # candidates evaluated together, a generation
    integer("budget"),  # the most queries it may make
    integer("seed"),  # 0 for a method without chance
    boolean("succeeded"),
    # Made until it stopped. Queries shared by several targets of an image (a first population, a whole sweep)
    # count for each target.
    integer("queries"),
    integer("generations"),
    number("seconds"),  # its share of the batch's time
    integer("predicted_class"),  # of the best image it found
    words("variant"),  # how the method searched: strategy, F, CR, start, fitness; or the set of colors
    Column("margin", Double),  # logits, of the best image: above 0 it fools; NULL in old rows
    Column("screened", Text),  # an earlier sweep's result for it; NULL: none was used
    # Two indexes, as NULLs never equal one another: the same attack is one row.
    Index(
        "uq_attacks_untargeted",
        *("network_id", "sample_id", "method", "variant", "pixel_count", "population", "budget", "seed"),
        unique=True,
        sqlite_where=text("target_class IS NULL"),
        postgresql_where=text("target_class IS NULL"),
    ),
    Index(
        "uq_attacks_targeted",
        *("network_id", "sample_id", "method", "variant", "target_class", "pixel_count", "population"),
        *("budget", "seed"),
        unique=True,
        sqlite_where=text("target_class IS NOT NULL"),
        postgresql_where=text("target_class IS NOT NULL"),
    ),
    check("target_class", "target_class >= 0"),
    check("pixel_count", "pixel_count >= 1"),
    check("queries", "queries >= 0 AND generations >= 0 AND seconds >= 0"),
    one_of("screened", SCREENINGS),
    # A targeted attack succeeds only if it reaches its target.
    check("target_reached", "target_class IS NULL OR succeeded = (predicted_class = target_class)"),
)

attack_pixels = Table(
    "attack_pixels",
    metadata,
    reference("attack_id", "attacks.id", owned=True, primary_key=True),
    key("pixel"),  # 0 .. pixel_count - 1
    integer("row"),
    integer("column"),
    *colors(),
    *colors("original_"),
    check("pixel", "pixel >= 0"),
    check("position", '"row" >= 0 AND "column" >= 0'),
    *color_checks(),
    *color_checks("original_"),
    sqlite_with_rowid=False,
)

# For every position the best result of any color of a set, as three BLOBs of height x width values, row by
# row: numpy.frombuffer(margins, "<f2"), (classes, "u1"), (colors, "<u2"). If a class is above 255, classes
# have two bytes each, "<u2": the length of the BLOB shows it. Of a sweep with a stride, height and width are
# those of the map: the rows and columns that were tried.
vulnerability_maps = Table(
    "vulnerability_maps",
    metadata,
    identity(),
    reference("run_id", "runs.id", index=True),
    reference("network_id", "networks.id"),
    reference("sample_id", "samples.id", index=True),  # as it is, before any attack
    words("variant"),  # colors: corners, grid-N (N^3 of them) or grays-N; ", stride N" where one is used
    integer("height"),
    integer("width"),
    Column("margins", LargeBinary, nullable=False),  # largest other logit - the true class's; above 0: fooled
    Column("classes", LargeBinary, nullable=False),  # the class of that other logit
    # the color of that margin: (red * N + green) * N + blue, or the number of the gray
    Column("colors", LargeBinary, nullable=False),
    number("best_margin"),  # the largest of the margins
    integer("vulnerable_positions"),  # margins above 0
    integer("reached_classes"),  # wrong classes that some position and color lead to
    integer("queries"),
    number("seconds"),
    UniqueConstraint("network_id", "sample_id", "variant"),
    check("size", "height > 0 AND width > 0"),
    check("vulnerable_positions", "vulnerable_positions BETWEEN 0 AND height * width"),
    check("vulnerable", "(vulnerable_positions > 0) = (best_margin > 0)"),
    check("queries", "queries >= 0 AND seconds >= 0"),
)

cases = Table(
    "cases",
    metadata,
    identity(),
    *scope(),  # of a kept case the data set that it is judged by; its sample is of another one
    reference("run_id", "runs.id", index=True),
    words("kind"),
    words("partition"),
    reference("sample_id", "samples.id", index=True),
    reference("attack_id", "attacks.id", nullable=True, unique=True),
    reference("image_id", "images.id", index=True),  # what the network saw
    Column("true_class", Integer),  # NULL: an unknown case
    integer("predicted_class"),
    number("confidence"),  # softmax probability of the predicted class, [0, 1]
    # A sample makes at most one case per network and data set, so that the partitions share no image.
    UniqueConstraint("network_id", "dataset_id", "sample_id"),
    Index(None, "network_id", "dataset_id", "partition", "kind"),
    Index(None, "network_id", "dataset_id", "true_class", "predicted_class"),
    Index(None, "network_id", "dataset_id", "predicted_class"),
    one_of("kind", CASE_KINDS),
    one_of("partition", CASE_PARTITIONS),
    check("attack", "(kind = 'adversarial') = (attack_id IS NOT NULL)"),
    check(
        "unknown",
        "(kind = 'unknown') = (\"partition\" = 'checked') AND (kind = 'unknown') = (true_class IS NULL)",
    ),
    check("classes", "true_class >= 0 AND predicted_class >= 0"),
    check("confidence", "confidence BETWEEN 0 AND 1"),
    sqlite_autoincrement=True,  # case ids are in links: none is reused
)

class_scores = Table(
    "class_scores",
    metadata,
    reference("case_id", "cases.id", owned=True, primary_key=True),
    key("class"),
    number("logit"),
    number("probability"),
    check("class", "class >= 0"),
    check("probability", "probability BETWEEN 0 AND 1"),
    sqlite_with_rowid=False,
)

annotations = Table(
    "annotations",
    metadata,
    identity(),
    reference("case_id", "cases.id", owned=True, index=True),
    words("kind"),
    words("body"),
    words("created_at"),
    Index(None, "kind", "body"),
    check("kind", "length(kind) > 0"),
)
