"""A network is one row, whatever data it meets: results name the network and the data set.

What was one network for each data set becomes one, the oldest, and every result of it keeps its data set in a
column of its own. Going back makes a network for each data set again, with new ids but for the first.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

NO_ROWID = {"sqlite_with_rowid": False}
COUNTED = {"sqlite_autoincrement": True}
SCOPED = {  # tables that get a data set beside the network, with what SQLite needs to rebuild them
    "cases": COUNTED,
    "predictions": {},
    "reference_samples": {},
    "repairs": {},
    "detectors": {},
    "case_facets": {},
    "facet_cells": {},
    "detector_decisions": NO_ROWID,
    "near_duplicate_pairs": NO_ROWID,
    "batches": COUNTED,
    "runs": {},
}
TUNED = ("tuning_points", "operating_points")  # that get it beside the layer
KEYS = {  # primary keys without the data set
    "predictions": ("network_id", "split", "position"),
    "detector_decisions": ("network_id", "detector", "partition", "case_id"),
    "near_duplicate_pairs": ("network_id", "sample_id", "other_sample_id"),
    "tuning_points": ("layer_id", "metric", "rule", "partition", "k", "threshold"),
    "operating_points": ("layer_id", "metric", "rule", "how_chosen", "partition"),
}
UNIQUE = {
    "cases": ("network_id", "sample_id"),
    "reference_samples": ("network_id", "sample_id"),
    "repairs": ("network_id", "image_id"),
    "detectors": ("network_id", "name"),
    "batches": ("network_id", "name"),
}
FACETS = ("kind", "method", "goal", "target_class", "true_class", "predicted_class", "confidence", "queries")
FACETS += ("alarms", "divergence", "batch_id", "seed", "pixel_count")
INDEXES = {
    "cases": [
        ("network_id", "partition", "kind"),
        ("network_id", "true_class", "predicted_class"),
        ("network_id", "predicted_class"),
    ],
    "case_facets": [("network_id", "partition", name) for name in FACETS],
    "facet_cells": [("network_id", "detector", "partition")],
    "runs": [("network_id",)],
}
OF_NETWORK = (*SCOPED, "attacks", "vulnerability_maps", "network_datasets")  # that name a network
OF_SAMPLE = ("attacks", "vulnerability_maps")  # whose data set is that of their sample
OF_CASE = ("case_activations", "searches", "neighbors", "decisions", "original_activations")
OF_CASE += ("original_neighbors",)
OF_LAYER = (*OF_CASE, "reference_activations", *TUNED)  # that name a layer

# The detectors that lists count cases for: in revision 0012 a data set's own layers once it is tuned.
SHOWN = """SELECT pairs.network_id AS network_id, pairs.dataset_id AS dataset_id, layers.name AS detector
    FROM network_datasets AS pairs
    JOIN layers ON layers.network_id = pairs.network_id AND layers.compared
    WHERE EXISTS (SELECT 1 FROM operating_points
            WHERE operating_points.layer_id = layers.id AND operating_points.dataset_id = pairs.dataset_id)
        OR NOT EXISTS (SELECT 1 FROM operating_points JOIN layers AS others
            ON others.id = operating_points.layer_id
            WHERE others.network_id = pairs.network_id
                AND operating_points.dataset_id = pairs.dataset_id)
    UNION SELECT network_id, dataset_id, detector FROM detector_decisions"""
# In revision 0011 every compared layer of a network.
ALL_SHOWN = """SELECT networks.id AS network_id, networks.dataset_id AS dataset_id, layers.name AS detector
    FROM networks JOIN layers ON layers.network_id = networks.id AND layers.compared
    UNION SELECT network_id, dataset_id, detector FROM detector_decisions"""
ALIKE = """kind, method, goal, target_class, true_class, predicted_class, alarms, divergence, batch_id, seed,
    pixel_count"""


def upgrade() -> None:
    add_data_sets()
    op.create_table(
        "network_datasets",
        sa.Column("network_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("dataset_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("test_accuracy", sa.Double()),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("network_id", "dataset_id", name="pk_network_datasets"),
        sa.ForeignKeyConstraint(
            ["network_id"], ["networks.id"], name="fk_network_datasets_network_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_network_datasets_dataset_id"),
        sa.CheckConstraint("test_accuracy BETWEEN 0 AND 1", name=op.f("ck_network_datasets_test_accuracy")),
        **NO_ROWID,
    )
    op.execute(
        "INSERT INTO network_datasets (network_id, dataset_id, test_accuracy, created_at) "
        "SELECT id, dataset_id, test_accuracy, created_at FROM networks"
    )
    merge_networks()
    with op.batch_alter_table("networks") as table:
        table.drop_constraint(op.f("uq_networks_sha256_dataset_id"), type_="unique")
        table.drop_constraint(op.f("fk_networks_dataset_id"), type_="foreignkey")
        table.drop_constraint(op.f("ck_networks_test_accuracy"), type_="check")
        table.drop_column("dataset_id")
        table.drop_column("test_accuracy")
        table.create_unique_constraint(op.f("uq_networks_sha256"), ["sha256"])
    fit_cells(SHOWN)


def downgrade() -> None:
    query = "SELECT name FROM networks WHERE id NOT IN (SELECT network_id FROM network_datasets) ORDER BY id"
    alone = op.get_bind().scalars(sa.text(query)).all()
    if alone:
        raise ValueError(
            f"The network {alone[0]} has met no data set, which revision 0011 has no place for "
            f"({len(alone)} such networks): delete its row of `networks`, or stay at revision 0012."
        )
    with op.batch_alter_table("networks") as table:
        table.drop_constraint(op.f("uq_networks_sha256"), type_="unique")
        table.add_column(sa.Column("dataset_id", sa.Integer()))
        table.add_column(sa.Column("test_accuracy", sa.Double()))
    split_networks()
    with op.batch_alter_table("networks") as table:
        table.alter_column("dataset_id", existing_type=sa.Integer(), nullable=False)
        table.create_foreign_key(op.f("fk_networks_dataset_id"), "datasets", ["dataset_id"], ["id"])
        table.create_unique_constraint(op.f("uq_networks_sha256_dataset_id"), ["sha256", "dataset_id"])
        table.create_check_constraint(op.f("ck_networks_test_accuracy"), "test_accuracy BETWEEN 0 AND 1")
    fit_cells(ALL_SHOWN)
    op.drop_table("network_datasets")
    remove_data_sets()


def add_data_sets() -> None:
    """Give every result a data set: that of its network."""
    for name, indexes in INDEXES.items():
        for columns in indexes:
            op.drop_index(index_name(name, columns), name)
    for name in (*SCOPED, *TUNED):
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column("dataset_id", sa.Integer()))
        of = f"{name}.network_id"
        if name in TUNED:
            of = f"(SELECT layers.network_id FROM layers WHERE layers.id = {name}.layer_id)"
        data_set = f"SELECT networks.dataset_id FROM networks WHERE networks.id = {of}"
        op.execute(f"UPDATE {name} SET dataset_id = ({data_set})")
        with op.batch_alter_table(name, table_kwargs=options(name), **rebuilt(name)) as table:
            if name != "runs":
                table.alter_column("dataset_id", existing_type=sa.Integer(), nullable=False)
            table.create_foreign_key(op.f(f"fk_{name}_dataset_id"), "datasets", ["dataset_id"], ["id"])
            change_keys(table, name, lambda columns: columns, with_data_set)
    for name, indexes in INDEXES.items():
        for columns in map(with_data_set, indexes):
            op.create_index(index_name(name, columns), name, list(columns))


def remove_data_sets() -> None:
    for name, indexes in INDEXES.items():
        for columns in map(with_data_set, indexes):
            op.drop_index(index_name(name, columns), name)
    for name in (*SCOPED, *TUNED):
        with op.batch_alter_table(name, table_kwargs=options(name)) as table:
            table.drop_constraint(op.f(f"fk_{name}_dataset_id"), type_="foreignkey")
            change_keys(table, name, with_data_set, lambda columns: columns)
            table.drop_column("dataset_id")
    for name, indexes in INDEXES.items():
        for columns in indexes:
            op.create_index(index_name(name, columns), name, list(columns))


def change_keys(table, name: str, before, after) -> None:
    """Replace a table's primary key and unique constraint: by `before` and `after` of their columns."""
    if name in KEYS:
        table.drop_constraint(op.f(f"pk_{name}"), type_="primary")
        table.create_primary_key(op.f(f"pk_{name}"), list(after(KEYS[name])))
    if name in UNIQUE:
        old, new = (f"uq_{name}_{'_'.join(columns(UNIQUE[name]))}" for columns in (before, after))
        table.drop_constraint(op.f(old), type_="unique")
        table.create_unique_constraint(op.f(new), list(after(UNIQUE[name])))


def with_data_set(columns: tuple[str, ...]) -> tuple[str, ...]:
    return (columns[0], "dataset_id", *columns[1:])


def options(name: str) -> dict:
    return NO_ROWID if name in TUNED else SCOPED[name]


def rebuilt(name: str) -> dict:
    """How SQLite rebuilds a table: with the data set beside the network or the layer."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite" or name == "runs":  # which people read whole: the same on both
        return {}
    columns = [column["name"] for column in sa.inspect(connection).get_columns(name)]
    columns.remove("dataset_id")
    columns.insert(columns.index("layer_id" if name in TUNED else "network_id") + 1, "dataset_id")
    return {"recreate": "always", "partial_reordering": [tuple(columns)]}


def index_name(table: str, columns: tuple[str, ...]) -> str:
    return op.f(f"ix_{table}_{'_'.join(columns)}")


def merge_networks() -> None:
    """Make one network of those with the same weights: the oldest; its layers are those of all of them."""
    networks = rows("SELECT id, dataset_id, sha256 FROM networks ORDER BY id")
    oldest: dict[str, int] = {}
    into = {}
    for network in networks:
        keeper = oldest.setdefault(network.sha256, network.id)
        if keeper != network.id:
            into[network.id] = keeper
    if not into:
        return
    layers = merge_layers(into)
    for name in OF_LAYER:
        replace(name, "layer_id", layers)
    for name in OF_NETWORK:
        replace(name, "network_id", into)
    for name, gone in (("layers", layers), ("networks", into)):
        for id_ in gone:
            execute(f"DELETE FROM {name} WHERE id = :id", id=id_)
    data_set = {network.id: network.dataset_id for network in networks}
    moved = {str(id_): (keeper, data_set[id_]) for id_, keeper in into.items()}
    respell_views(lambda network, _: moved.get(network))


def merge_layers(into: dict[int, int]) -> dict[int, int]:
    """The layers that go, each with the one that it becomes; a layer that only the other has is moved."""
    layers = rows("SELECT id, network_id, name, position, compared FROM layers ORDER BY network_id, position")
    known = {(layer.network_id, layer.name): layer.id for layer in layers}
    places = {(layer.network_id, layer.position) for layer in layers}
    replaced = {}
    for layer in layers:
        if layer.network_id not in into:
            continue
        network = into[layer.network_id]
        twin = known.get((network, layer.name))
        if twin is None:
            place = layer.position
            while (network, place) in places:
                place += 1
            places.add((network, place))
            known[network, layer.name] = layer.id
            execute(
                "UPDATE layers SET network_id = :network, position = :place WHERE id = :id",
                network=network,
                place=place,
                id=layer.id,
            )
            continue
        replaced[layer.id] = twin
        if layer.compared:
            execute("UPDATE layers SET compared = :yes WHERE id = :id", yes=True, id=twin)
    return replaced


def split_networks() -> None:
    """Make a network for each data set; the first keeps its row, with its layers."""
    pairs = rows("SELECT * FROM network_datasets ORDER BY network_id, dataset_id")
    seen, moved = set(), {}
    for pair in pairs:
        network = pair.network_id
        if network in seen:
            network = copy_network(pair)
            moved[str(pair.network_id), str(pair.dataset_id)] = network
        seen.add(pair.network_id)
        execute(
            "UPDATE networks SET dataset_id = :dataset, test_accuracy = :accuracy WHERE id = :id",
            dataset=pair.dataset_id,
            accuracy=pair.test_accuracy,
            id=network,
        )
    respell_views(lambda network, dataset: network and (moved.get((network, dataset), int(network)), None))


def copy_network(pair) -> int:
    """Copy a network's row and its layers for one of its data sets, whose results follow; returns its id."""
    columns = "name, sha256, description"
    new = next_id("networks")
    execute(
        f"INSERT INTO networks (id, {columns}, created_at) SELECT :new, {columns}, :time FROM networks "
        "WHERE id = :old",
        new=new,
        time=pair.created_at,
        old=pair.network_id,
    )
    of_layer = "name, kind, position, shape, compared, title, note"
    layers = {}
    for layer in rows(f"SELECT id FROM layers WHERE network_id = {pair.network_id} ORDER BY position"):
        layers[layer.id] = next_id("layers")
        execute(
            f"INSERT INTO layers (id, network_id, {of_layer}) SELECT :id, :network, {of_layer} FROM layers "
            "WHERE id = :old",
            id=layers[layer.id],
            network=new,
            old=layer.id,
        )
    here = f"network_id = {pair.network_id} AND dataset_id = {pair.dataset_id}"
    of_data_set = f"dataset_id = {pair.dataset_id}"
    for name in OF_CASE:
        replace(name, "layer_id", layers, f"case_id IN (SELECT id FROM cases WHERE {here})")
    mine = f"reference_sample_id IN (SELECT id FROM reference_samples WHERE {here})"
    replace("reference_activations", "layer_id", layers, mine)
    for name in TUNED:
        replace(name, "layer_id", layers, of_data_set)
    for name in OF_SAMPLE:
        of_sample = f"sample_id IN (SELECT id FROM samples WHERE {of_data_set})"
        replace(name, "network_id", {pair.network_id: new}, of_sample)
    for name in SCOPED:
        replace(name, "network_id", {pair.network_id: new}, of_data_set)
    if op.get_bind().dialect.name == "postgresql":
        for name in ("networks", "layers"):
            op.execute(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {next_id(name)}, false)")
    return new


def replace(table: str, column: str, new: dict[int, int], where: str = "1 = 1") -> None:
    """Replace values of a column, in one pass over the table."""
    if new:
        cases = " ".join(f"WHEN {before} THEN {after}" for before, after in new.items())
        listed = ", ".join(map(str, new))
        change = f"UPDATE {table} SET {column} = CASE {column} {cases} END"
        op.execute(f"{change} WHERE {column} IN ({listed}) AND {where}")


def respell_views(place) -> None:
    """Rewrite network and data set in saved views; place: of both values, None where there is none.

    It returns the new ones; None: as before.
    """
    for view in rows("SELECT id, search FROM saved_views"):
        fields = [field for field in view.search.lstrip("?").split("&") if field]
        values = dict(field.split("=", 1) for field in fields if "=" in field)
        new = place(values.get("network"), values.get("dataset"))
        if not new:
            continue
        network, dataset = new
        others = [field for field in fields if field.split("=")[0] not in ("network", "dataset")]
        both = [f"network={network}", *([] if dataset is None else [f"dataset={dataset}"])]
        search = "?" + "&".join(both + others)
        execute("UPDATE saved_views SET search = :search WHERE id = :id", search=search, id=view.id)


def fit_cells(shown: str) -> None:
    """Add the counts of detectors that lists show from now on, and delete those of others."""
    same = "shown.network_id = {0}.network_id AND shown.dataset_id = {0}.dataset_id"
    cells = f"{same.format('facet_cells')} AND shown.detector = facet_cells.detector"
    op.execute(f"DELETE FROM facet_cells WHERE NOT EXISTS (SELECT 1 FROM ({shown}) AS shown WHERE {cells})")
    names = [name.strip() for name in ALIKE.split(",")]
    alike = ", ".join(f"case_facets.{name}" for name in names)
    grouped = ", ".join(map(str, range(1, len(names) + 7)))
    op.execute(f"""
INSERT INTO facet_cells (network_id, dataset_id, detector, "partition", {ALIKE}, outcome,
    recovered_class, cases)
SELECT case_facets.network_id, case_facets.dataset_id, shown.detector, case_facets."partition", {alike},
    detector_decisions.outcome, detector_decisions.recovered_class, COUNT(*)
FROM ({shown}) AS shown
JOIN case_facets ON {same.format("case_facets")}
LEFT JOIN detector_decisions ON detector_decisions.network_id = case_facets.network_id
    AND detector_decisions.dataset_id = case_facets.dataset_id
    AND detector_decisions.detector = shown.detector
    AND detector_decisions."partition" = case_facets."partition"
    AND detector_decisions.case_id = case_facets.case_id
WHERE NOT EXISTS (SELECT 1 FROM facet_cells WHERE {cells})
GROUP BY {grouped}
""")


def rows(query: str) -> list:
    return op.get_bind().execute(sa.text(query)).all()


def execute(statement: str, **values) -> None:
    op.get_bind().execute(sa.text(statement), values)


def next_id(table: str) -> int:
    return op.get_bind().scalar(sa.text(f"SELECT COALESCE(MAX(id), 0) + 1 FROM {table}"))
