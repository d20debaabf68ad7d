"""The ingest: the one place where arrays (`model`) and rows (`db`) meet."""
