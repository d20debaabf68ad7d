"""The tables by subject; db.schema lists them all."""
