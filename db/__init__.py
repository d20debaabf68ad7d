"""Rows: the schema, engines, idempotent writes, reads and migrations. Knows no JAX, no Dash."""
