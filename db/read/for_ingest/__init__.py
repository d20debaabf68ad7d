"""Read queries of the stages of an ingest, and of a check."""
