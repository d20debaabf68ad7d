"""The table of repair sweeps: a network's outputs for an image with one pixel at a time repaired."""

from sqlalchemy import Column, LargeBinary, Table, UniqueConstraint

from db.tables.columns import check, identity, integer, metadata, number, reference, scope

# As two BLOBs, with a value for every pixel of the image, row by row: numpy.frombuffer(margins, "<f2"),
# (classes, "u1"), or "<u2" of twice the length where a class is above 255. Of images above 64 x 64 pixels
# only the most promising pixels are repaired: the margins of the others are -inf.
repairs = Table(
    "repairs",
    metadata,
    identity(),
    reference("run_id", "runs.id", index=True),
    *scope(),
    reference("image_id", "images.id", index=True),  # the image of a case, or the image before its attack
    integer("predicted_class"),  # of the image as it is
    Column(
        "margins", LargeBinary, nullable=False
    ),  # best other logit - the predicted class's, with it repaired
    Column("classes", LargeBinary, nullable=False),  # the class of that other logit
    number("score"),  # the largest of the margins; above 0: repairing one pixel changes the answer
    integer("row"),  # the pixel of that margin
    integer("column"),
    integer("recovered_class"),  # the class there
    UniqueConstraint("network_id", "dataset_id", "image_id"),
    check("position", '"row" >= 0 AND "column" >= 0'),
    check("classes", "predicted_class >= 0 AND recovered_class >= 0 AND recovered_class <> predicted_class"),
)
