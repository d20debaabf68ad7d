"""A layer's words for people: its title, and a note on what it holds; the American spelling of a verdict.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

COLUMNS = ("title", "note")
SINGLE = ("flatten", "dense")
BRITISH, AMERICAN = "mislabelled", "mislabeled"


def upgrade() -> None:
    with op.batch_alter_table("layers") as table:
        for name in COLUMNS:
            table.add_column(sa.Column(name, sa.Text()))
    describe_layers()
    with op.batch_alter_table("layers") as table:
        for name in COLUMNS:
            table.alter_column(name, existing_type=sa.Text(), nullable=False)
    respell_verdict(BRITISH, AMERICAN)


def downgrade() -> None:
    respell_verdict(AMERICAN, BRITISH)
    with op.batch_alter_table("layers") as table:
        for name in COLUMNS:
            table.drop_column(name)


def respell_verdict(before: str, after: str) -> None:
    """Rename a verdict wherever people gave it, and in the filters of saved views."""
    connection = op.get_bind()
    update = "UPDATE annotations SET body = :after WHERE kind = 'verdict' AND body = :before"
    connection.execute(sa.text(update), {"before": before, "after": after})
    for view in connection.execute(sa.text("SELECT id, search FROM saved_views")).all():
        fields = view.search.split("&")
        search = "&".join(
            field.replace(before, after) if field.lstrip("?").startswith("verdict=") else field
            for field in fields
        )
        if search != view.search:
            update = sa.text("UPDATE saved_views SET search = :search WHERE id = :id")
            connection.execute(update, {"search": search, "id": view.id})


def describe_layers() -> None:
    connection = op.get_bind()
    query = sa.text("SELECT id, network_id, name, kind FROM layers ORDER BY network_id, position")
    networks: dict[int, list] = {}
    for row in connection.execute(query):
        networks.setdefault(row.network_id, []).append(row)
    notes = [
        {"id": row.id, "title": row.name, "note": note(row, layers)}
        for layers in networks.values()
        for row in layers
    ]
    if notes:
        connection.execute(sa.text("UPDATE layers SET title = :title, note = :note WHERE id = :id"), notes)


def note(row, layers: list) -> str:
    names = [layer.name for layer in layers if layer.kind in SINGLE]
    dense = [layer.name for layer in layers if layer.kind == "dense"]
    if row.kind == "composed":
        joined = f"{', '.join(names[:-1])} and {names[-1]} concatenated" if len(names) > 1 else "concatenated"
        return f"{joined}, each divided by its usual length" if row.name == "composed-scaled" else joined
    if row.kind == "dense" and row.name == dense[-1]:
        return "the class scores"
    if row.kind == "dense":
        return "the hidden layer" if len(dense) == 2 else "a hidden layer"
    return {"flatten": "image features", "conv": "feature maps"}.get(row.kind, "")
