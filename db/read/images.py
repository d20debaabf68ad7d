"""Images by content."""

from sqlalchemy import Engine, select

from db import schema


def image_png(engine: Engine, sha256: str) -> bytes | None:
    """The PNG file of the image whose pixels have this hash (64 hexadecimal digits), or None."""
    with engine.connect() as connection:
        return connection.scalar(select(schema.images.c.png).where(schema.images.c.sha256 == sha256))
