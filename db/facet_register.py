"""The facets of the case list: one row here for each property that cases are filtered and counted by.

A row defines the column of `case_facets` and its value, the name in an address, the filter as SQL, the
choices and their counts, the section of the page, the chip, and the column of an export.

To add a facet, add a row at the end of FACETS:

- Its `column` is in `case_facets` (or, with `of_detector`, in `detector_decisions`): the row is enough.
- It needs a new column: give the row its `value`, too, and write a migration that adds the column to
  `case_facets` with the index `ix_case_facets_network_id_dataset_id_partition_<column>`, fills it, and where
  the facet is `counted` adds it to `facet_cells`. `db.facets` writes it from then on.
"""

from sqlalchemy import select

from db.facet_type import Facet, Group, Kind
from db.facet_values import alarm_count, alarming_layers, attack_goal, first_divergence
from db.tables.cases import VERDICTS, attack_pixels, attacks, cases
from db.tables.samples import batches, runs
from db.vocabulary import CASE_KINDS, CASE_PARTITIONS, OUTCOMES


def _number_of_pixels(value: str) -> str:
    return f"{value} pixel{'' if value == '1' else 's'}"


def _spaced(value: str) -> str:
    return value.replace("+", " + ")


# The cases that a list covers before any filter: one value, or all.
PARTITION = Facet(
    "partition",
    "Partition",
    Kind.TEXT,
    Group.CASE,
    column="partition",
    value=cases.c.partition,
    counted=True,
    choices=CASE_PARTITIONS,
    seldom=("checked",),
    label=lambda value: "both" if value == "all" else value,
    hint="k and threshold are chosen on the tuning cases and judged on the validation cases",
    is_open=True,
    at_least=0,
    in_overview=True,
)

# The facets that the tables were created with. Their columns stay in this order, and new ones come after.
FIRST = (
    PARTITION,
    Facet(
        "kind",
        "Kind",
        Kind.TEXT,
        Group.CASE,
        column="kind",
        value=cases.c.kind,
        counted=True,
        sort=("kind",),
        choices=CASE_KINDS,
        seldom=("unknown",),
        is_open=True,
        at_least=0,
        in_overview=True,
    ),
    Facet(
        "method",
        "Attack",
        Kind.TEXT,
        Group.ATTACK,
        column="method",
        value=attacks.c.method,
        counted=True,
        in_overview=True,
    ),
    Facet(
        "goal",
        "Goal of the attack",
        Kind.TEXT,
        Group.GOAL,
        column="goal",
        value=attack_goal(),
        counted=True,
        choices=("untargeted", "targeted"),
        in_overview=True,  # as a target class, or none
    ),
    Facet(
        "target",
        "Target class",
        Kind.CLASS,
        Group.GOAL,
        column="target_class",
        value=attacks.c.target_class,
        counted=True,
        hint="Class that a targeted attack aimed at",
        at_least=1,
        in_overview=True,
    ),
    Facet(
        "true",
        "True class",
        Kind.CLASS,
        Group.CASE,
        column="true_class",
        value=cases.c.true_class,
        counted=True,
        sort=("true_class",),
        is_open=True,
        at_least=0,
        in_overview=True,
    ),
    Facet(
        "predicted",
        "Predicted class",
        Kind.CLASS,
        Group.CASE,
        column="predicted_class",
        value=cases.c.predicted_class,
        counted=True,
        sort=("predicted_class",),
        is_open=True,
        at_least=0,
        in_overview=True,
    ),
    Facet(
        "confidence",
        "Confidence",
        Kind.RANGE,
        Group.CASE,
        column="confidence",
        value=cases.c.confidence,
        sort=("confidence",),
        hint="Softmax probability of the predicted class, 0 to 1",
        in_overview=True,
    ),
    Facet(
        "queries",
        "Queries of the attack",
        Kind.COUNT_RANGE,
        Group.COST,
        column="queries",
        value=attacks.c.queries,
        sort=("queries",),
        hint="Candidates that the network was asked about",
        in_overview=True,
    ),
    Facet(
        "pixel",
        "Attacked pixel",
        Kind.PLACE,
        Group.COST,
        beside={"row": attack_pixels.c.row, "column": attack_pixels.c.column},
        sort=("row", "column"),
        in_overview=True,
    ),
    Facet(
        "alarms",
        "Layers that alarm",
        Kind.LAYERS,
        Group.DECISION,
        column="alarms",
        value=alarming_layers(),
        beside={"alarm_count": alarm_count()},
        counted=True,
        sort=("alarm_count",),
        hint="Exactly these layers alarm, and no other",
        label=_spaced,
        at_least=0,
        frequent_first=True,
        in_overview=True,
    ),
    Facet(
        "divergence",
        "First divergence",
        Kind.LAYER,
        Group.DECISION,
        column="divergence",
        value=first_divergence(),
        counted=True,
        hint="First layer where most of the nearest neighbors are not of the true class",
        at_least=0,
        in_overview=True,
    ),
    Facet(
        "outcome",
        "Outcome",
        Kind.TEXT,
        Group.DECISION,
        column="outcome",
        of_detector=True,
        counted=True,
        sort=("outcome",),
        choices=tuple(OUTCOMES),
        label=lambda value: OUTCOMES[value].title,
        on_page=False,  # it has tiles of its own
    ),
    Facet(
        "recovered",
        "Recovered class",
        Kind.CLASS,
        Group.DECISION,
        column="recovered_class",
        of_detector=True,
        counted=True,
        hint="Class that the shown detector takes for the true one when it alarms",
        at_least=0,
    ),
    Facet(
        "unexpected",
        "Unexpected neighbors",
        Kind.RANGE,
        Group.DECISION,
        column="score",
        of_detector=True,
        sort=("score",),
        hint="Of the shown detector: its score, in a layer the count",
    ),
)

FACETS = (
    *FIRST,
    Facet(
        "batch",
        "Batch",
        Kind.NUMBER,
        Group.BATCH,
        column="batch_id",
        value=runs.c.batch_id,
        counted=True,
        hint="What one `xpixels ingest` asked for; --name gives it its name",
        labels=select(batches.c.id, batches.c.name),
        frequent_first=True,
        in_overview=True,
    ),
    Facet(
        "seed",
        "Seed",
        Kind.NUMBER,
        Group.BATCH,
        column="seed",
        value=batches.c.seed,
        counted=True,
        hint="Of the chance that a batch had: another seed is another batch",
        frequent_first=True,
        in_overview=True,
    ),
    Facet(
        "pixels",
        "Pixels",
        Kind.NUMBER,
        Group.ATTACK,
        column="pixel_count",
        value=attacks.c.pixel_count,
        counted=True,
        hint="How many pixels the attack changed",
        label=_number_of_pixels,
        in_overview=True,
    ),
    Facet(
        "verdict",
        "Verdict",
        Kind.ANNOTATION,
        Group.PEOPLE,
        choices=VERDICTS,
        hint="What people judged",
        at_least=1,
        frequent_first=True,
    ),
    Facet(
        "tag",
        "Tags",
        Kind.ANNOTATION,
        Group.PEOPLE,
        any_value=True,
        at_least=1,
        frequent_first=True,
    ),
    Facet(
        "note",
        "Notes",
        Kind.ANNOTATED,
        Group.PEOPLE,
        choices=("yes",),
        label=lambda _: "with a note",
        at_least=1,
        frequent_first=True,
    ),
)
