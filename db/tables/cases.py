"""Attacks and the cases they become, the scores a network gave, the notes of people."""

from sqlalchemy import Column, Index, Integer, Table, UniqueConstraint, text

from db.tables.columns import (
    KINDS,
    PARTITIONS,
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
    words,
)

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
    integer("budget"),  # the most queries it might make
    integer("seed"),  # 0 for a method without chance
    boolean("succeeded"),
    integer("queries"),  # made, until it stopped
    integer("generations"),
    number("seconds"),  # this image's share of the batch's time
    integer("predicted_class"),  # of the best image it found
    # Two indexes, as NULLs never equal one another: the same attack is one row.
    Index(
        "uq_attacks_untargeted",
        *("network_id", "sample_id", "method", "pixel_count", "population", "budget", "seed"),
        unique=True,
        sqlite_where=text("target_class IS NULL"),
        postgresql_where=text("target_class IS NULL"),
    ),
    Index(
        "uq_attacks_targeted",
        *("network_id", "sample_id", "method", "target_class", "pixel_count", "population", "budget", "seed"),
        unique=True,
        sqlite_where=text("target_class IS NOT NULL"),
        postgresql_where=text("target_class IS NOT NULL"),
    ),
    check("target_class", "target_class >= 0"),
    check("pixel_count", "pixel_count >= 1"),
    check("queries", "queries >= 0 AND generations >= 0 AND seconds >= 0"),
    # A targeted success is the target itself, nothing less.
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

cases = Table(
    "cases",
    metadata,
    identity(),
    reference("network_id", "networks.id"),
    reference("run_id", "runs.id", index=True),
    words("kind"),
    words("partition"),
    reference("sample_id", "samples.id", index=True),
    reference("attack_id", "attacks.id", nullable=True, unique=True),
    reference("image_id", "images.id", index=True),  # what the network saw
    integer("true_class"),
    integer("predicted_class"),
    number("confidence"),  # softmax probability of the predicted class, [0, 1]
    # A sample is the source of one case a network, so that the partitions share no image.
    UniqueConstraint("network_id", "sample_id"),
    Index(None, "network_id", "partition", "kind"),
    Index(None, "network_id", "true_class", "predicted_class"),
    Index(None, "network_id", "predicted_class"),
    one_of("kind", KINDS),
    one_of("partition", PARTITIONS),
    check("attack", "(kind = 'adversarial') = (attack_id IS NOT NULL)"),
    check("classes", "true_class >= 0 AND predicted_class >= 0"),
    check("confidence", "confidence BETWEEN 0 AND 1"),
    sqlite_autoincrement=True,  # case ids are in links: one is never used twice
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
    check("kind", "length(kind) > 0"),
)
