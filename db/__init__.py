"""The database: schema, engines, idempotent writes, reads and migrations. Imports neither JAX nor Dash."""
