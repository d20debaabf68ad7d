"""The ingest: the only package that uses both arrays (`model`) and rows (`db`)."""
