"""Tables of how well each detector works, and of the data behind it: originals, near-duplicates, evaluations.

A detector gives every input a score, and an alarm above a threshold: the k-NN defense of a layer under a
metric and a rule (the score is the unexpected count), the repair sweep, or a baseline that needs only the
network's output.
"""

from sqlalchemy import Column, Double, LargeBinary, Table, Text, UniqueConstraint

from db.tables.columns import (
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
    written_by,
)
from db.tables.defense import COUNTS
from db.vocabulary import CASE_SETS, DETECTOR_KINDS, ENCODINGS, METRICS, PARTITIONS, REFERENCES, RULES, WAYS

# The network's output for an adversarial case's image before the attack: its counterpart in paired
# evaluation.
originals = Table(
    "originals",
    metadata,
    reference("case_id", "cases.id", owned=True, primary_key=True),  # of the adversarial case
    reference("image_id", "images.id", index=True),
    integer("predicted_class"),
    number("confidence"),  # softmax probability of the predicted class, [0, 1]
    number("margin"),  # logits: the largest minus the second largest
    written_by(),
    check("predicted_class", "predicted_class >= 0"),
    check("confidence", "confidence BETWEEN 0 AND 1"),
    check("margin", "margin >= 0"),
)

original_activations = Table(
    "original_activations",
    metadata,
    reference("case_id", "originals.case_id", owned=True, primary_key=True),
    reference("layer_id", "layers.id", primary_key=True, index=True),
    json("shape"),
    words("encoding"),
    Column("data", LargeBinary, nullable=False),
    written_by(),  # several runs may have written the layers of one original
    one_of("encoding", ENCODINGS),
)

original_neighbors = Table(
    "original_neighbors",
    metadata,
    reference("case_id", "originals.case_id", owned=True, primary_key=True),
    reference("layer_id", "layers.id", primary_key=True),
    key("metric", Text),
    key("rank"),  # 1 is the nearest
    reference("reference_sample_id", "reference_samples.id", index=True),
    number("distance"),
    one_of("metric", METRICS),
    check("rank", '"rank" >= 1'),
    sqlite_with_rowid=False,
)

# The final image of an attack that became no case.
attack_images = Table(
    "attack_images",
    metadata,
    reference("attack_id", "attacks.id", owned=True, primary_key=True),
    reference("image_id", "images.id", index=True),
)

# What another network predicts for an adversarial case: whether the attack transfers to it.
transfers = Table(
    "transfers",
    metadata,
    reference("case_id", "cases.id", owned=True, primary_key=True),  # adversarial, made for another network
    reference("network_id", "networks.id", owned=True, primary_key=True, index=True),  # that predicts it here
    reference("run_id", "runs.id", index=True),
    integer("predicted_class"),
    number("confidence"),  # softmax probability of the predicted class, [0, 1]
    check("predicted_class", "predicted_class >= 0"),
    check("confidence", "confidence BETWEEN 0 AND 1"),
    sqlite_with_rowid=False,
)

# Two samples that look alike to the network or pixel by pixel, by generous limits: a query can be stricter.
near_duplicate_pairs = Table(
    "near_duplicate_pairs",
    metadata,
    *scope(key=True, owned=True),
    reference("sample_id", "samples.id", primary_key=True),  # a test sample, or the earlier training one
    reference("other_sample_id", "samples.id", primary_key=True, index=True),
    number("activation_distance"),  # cosine distance of the last hidden layer's activations, [0, 2]
    number("pixel_distance"),  # root of the mean squared difference of the pixels, 0..255
    written_by(),
    check("distances", "activation_distance >= 0 AND pixel_distance >= 0"),
    check("two", "sample_id <> other_sample_id"),
    sqlite_with_rowid=False,
)

detectors = Table(
    "detectors",
    metadata,
    identity(),
    *scope(),
    words("name"),
    words("kind"),  # neighbors: the k-NN defense; repair: ours; baseline: the network's output alone
    Column("layer", Text),  # of the k-NN defense, as the three below
    Column("metric", Text),
    Column("rule", Text),
    Column("reference", Text),  # all: the whole reference set; distinct: without near-duplicates and hubs
    written_by(),  # the run that evaluated it last, and wrote all its points and evaluations
    UniqueConstraint("network_id", "dataset_id", "name"),
    one_of("kind", DETECTOR_KINDS),
    one_of("metric", METRICS),
    one_of("rule", RULES),
    one_of("reference", REFERENCES),
    check(
        "neighbors",
        "(kind = 'neighbors') = (layer IS NOT NULL AND metric IS NOT NULL AND rule IS NOT NULL"
        " AND reference IS NOT NULL)",
    ),
)

# The ROC curve of a detector on the cases of a set, without the points that tuning_points has.
detector_points = Table(
    "detector_points",
    metadata,
    reference("detector_id", "detectors.id", owned=True, primary_key=True),
    key("case_set", Text),
    key("partition", Text),
    key("k"),  # 0: a detector without neighbors
    key("threshold", Double),  # alarm when the score is greater
    *[integer(count) for count in COUNTS],
    one_of("case_set", CASE_SETS),
    one_of("partition", PARTITIONS),
    check("k", "k >= 0"),
    check("counts", "tp >= 0 AND fp >= 0 AND tn >= 0 AND fn >= 0"),
    sqlite_with_rowid=False,
)

# For every k the threshold of the equal error rate on the tuning cases, and its results on a partition.
k_points = Table(
    "k_points",
    metadata,
    reference("detector_id", "detectors.id", owned=True, primary_key=True),
    key("case_set", Text),
    key("partition", Text),
    key("k"),
    integer("threshold"),
    number("accuracy"),
    number("eer"),  # of this k on this partition, at its own best threshold
    number("auc"),
    one_of("case_set", CASE_SETS),
    one_of("partition", PARTITIONS),
    check("k", "k >= 1"),
    check("shares", "accuracy BETWEEN 0 AND 1 AND eer BETWEEN 0 AND 1 AND auc BETWEEN 0 AND 1"),
    sqlite_with_rowid=False,
)

# Shares in [0, 1] with the ends of their 95 % bootstrap intervals; NULL: nothing to take a share of.
MEASURED = ("accuracy", "auc", "paired_auc", "recovered")

evaluations = Table(
    "evaluations",
    metadata,
    reference("detector_id", "detectors.id", owned=True, primary_key=True),
    key("case_set", Text),
    key("how_chosen", Text),  # tuning; validation: k as the paper's appendix picks it; paper: the paper's k
    key("partition", Text),  # of the counts and shares
    reference("run_id", "runs.id", index=True),
    integer("k"),  # 0: a detector without neighbors
    number("threshold"),
    *[integer(count) for count in COUNTS],
    number("tpr"),
    number("fpr"),
    number("eer"),
    *[Column(name + end, Double) for name in MEASURED for end in ("", "_low", "_high")],
    integer("pairs"),  # adversarial cases with their originals
    Column("paired_fpr", Double),  # alarms on the originals
    Column("paired_wins", Double),  # pairs where the adversarial one scores higher, ties by half
    Column("recovered_on_alarm", Double),  # of the adversarial cases: alarmed, and the true class recovered
    Column("located", Double),  # of the adversarial cases: the detector names the attacked pixel
    one_of("case_set", CASE_SETS),
    one_of("how_chosen", WAYS),
    one_of("partition", PARTITIONS),
    check("k", "k >= 0"),
    check("counts", "tp >= 0 AND fp >= 0 AND tn >= 0 AND fn >= 0"),
    sqlite_with_rowid=False,
)
