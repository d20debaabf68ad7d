"""The views by subject; db.schema lists them all."""
